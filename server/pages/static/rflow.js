// What every page does: it stays fresh, tells times in the reader's zone, and filters lists.
// Without this file all pages work; they are only as fresh as their last load.

import { keepFresh } from "./live.js";
import { openInPlace, setUpGraphs } from "./graph.js";

const minute = 60, hour = 3600, day = 86400;

function relative(seconds) {
  const past = seconds >= 0, whole = Math.floor(Math.abs(seconds));
  if (whole < 2) return past ? "just now" : "now";
  const said = whole < minute ? `${whole} s`
    : whole < hour ? `${Math.floor(whole / minute)} min`
    : whole < 2 * day ? `${Math.floor(whole / hour)} h`
    : `${Math.floor(whole / day)} days`;
  return past ? `${said} ago` : `in ${said}`;
}

const two = (number) => String(number).padStart(2, "0");

function exact(date) {
  const offset = -date.getTimezoneOffset(), size = Math.abs(offset);
  const zone = `${offset < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
  const at = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${at} ${zone}`;
}

function tellTimes(root) {
  const now = Date.now();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.valueOf())) continue;
    time.title = exact(date);
    const text = "exact" in time.dataset ? exact(date) : relative((now - date) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

function applyFilter(input) {
  const wanted = input.value.trim().toLowerCase();
  for (const row of document.querySelectorAll(`${input.dataset.filter} tbody tr`)) {
    const text = (row.dataset.text ?? row.textContent).toLowerCase();
    row.hidden = wanted !== "" && !text.includes(wanted);
  }
}

function setUp(root) {
  tellTimes(root);
  setUpGraphs(root);
  for (const input of document.querySelectorAll("input[data-filter]")) applyFilter(input);
}

document.addEventListener("input", (event) => {
  if (event.target.matches?.("input[data-filter]")) applyFilter(event.target);
});

// Rows that are repeated: the value says what its input's type is, and there is always an empty row.
document.addEventListener("input", (event) => {
  const rows = event.target.closest?.("[data-rows]");
  if (!rows) return;
  const row = event.target.parentElement, name = row.querySelector("input");
  const known = [...name.list.options].find((one) => one.value === name.value.trim());
  row.querySelector("textarea").placeholder = known?.label || "value";
  if (row !== rows.lastElementChild || !event.target.value) return;
  const fresh = row.cloneNode(true), number = rows.children.length + 1;
  fresh.querySelector(".error")?.remove();
  for (const field of fresh.querySelectorAll("input, textarea")) {
    field.value = "";
    field.ariaLabel = field.ariaLabel.replace(/\d+/, number);
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-describedby");
  }
  fresh.querySelector("textarea").placeholder = "value";
  fresh.querySelector("input").id = `set.${number - 1}`;
  rows.append(fresh);
});

// A menu closes when something else is clicked, or with Escape.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.menu[open], details.action[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.menu[open], details.action[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

// The switch goes to the other of what is seen, also where the system decides.
for (const button of document.querySelectorAll("[data-theme-switch]")) {
  const set = document.documentElement.dataset.theme;
  const dark = set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  button.value = dark ? "light" : "dark";
}

// Where the tabs are wider than the screen, the one that one is on is in it.
for (const tab of document.querySelectorAll(".nav [aria-current]")) {
  const over = tab.getBoundingClientRect().right - tab.parentElement.getBoundingClientRect().right;
  if (over > 0) tab.parentElement.scrollLeft += over;
}

for (const log of document.querySelectorAll("[data-follow]")) log.scrollTop = log.scrollHeight;
setUp(document);
setInterval(() => tellTimes(document), 10_000);
const load = keepFresh(setUp, tellTimes);
if (load) openInPlace(load);
