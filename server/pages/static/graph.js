// Graphs: they begin as large as their place, and can be made larger, smaller and be dragged; groups
// open and close where they stand.

const MIN = 0.05, READABLE = 0.55, MAX = 2.5;

const size = (box) => box.querySelector("svg.graph").viewBox.baseVal;
const key = (box) => `graph ${location.pathname} ${box.getAttribute("aria-label")}`;

// The scale at which all of it is seen.
function whole(box) {
  const { width, height } = size(box);
  return Math.max(MIN, Math.min(1, (box.clientWidth - 4) / width, innerHeight * 0.75 / height));
}

function scale(box, to, x = box.clientWidth / 2, y = box.clientHeight / 2) {
  const before = Number(box.dataset.scale) || 1, after = Math.min(MAX, Math.max(MIN, to));
  const left = (box.scrollLeft + x) / before, top = (box.scrollTop + y) / before;
  place(box, after);
  box.scrollLeft = left * after - x;
  box.scrollTop = top * after - y;
  sessionStorage.setItem(key(box), after);
}

function place(box, at) {
  const svg = box.querySelector("svg.graph"), { width, height } = size(box);
  svg.style.width = `${width * at}px`;
  svg.style.height = `${height * at}px`;
  box.dataset.scale = at;
}

// Scroll so that a part of the graph stands at a place of the window, else in the middle.
function look(box, part, at = null) {
  const now = part.getBoundingClientRect(), room = box.getBoundingClientRect();
  const [x, y] = at ?? [room.x + (room.width - now.width) / 2, room.y + (room.height - now.height) / 2];
  box.scrollLeft += now.x - x;
  box.scrollTop += now.y - y;
}

function tools(box) {
  const made = document.createElement("div");
  made.className = "graph-tools";
  made.dataset.own = "";
  for (const [text, label, act] of [
    ["−", "Make the graph smaller", () => scale(box, box.dataset.scale / 1.25)],
    ["+", "Make the graph larger", () => scale(box, box.dataset.scale * 1.25)],
    ["⤢", "Fit the graph into its place", () => scale(box, whole(box), 0, 0)],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    made.append(button);
  }
  return made;
}

function setUp(box) {
  box.prepend(tools(box));

  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const room = box.getBoundingClientRect();
    scale(box, box.dataset.scale * Math.exp(-event.deltaY / 300), event.clientX - room.left, event.clientY - room.top);
  }, { passive: false });

  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType !== "mouse" || event.target.closest("button")) return;
    const from = [event.clientX, event.clientY, box.scrollLeft, box.scrollTop];
    let moved = false;
    const move = (to) => {
      const [dx, dy] = [to.clientX - from[0], to.clientY - from[1]];
      moved ||= Math.hypot(dx, dy) > 4;
      if (!moved) return;
      box.classList.add("moving");
      [box.scrollLeft, box.scrollTop] = [from[2] - dx, from[3] - dy];
    };
    const end = () => {
      removeEventListener("pointermove", move);
      box.classList.remove("moving");
      // A drag that ends on a node is no click on it.
      if (moved) addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end, { once: true });
  });
  box.addEventListener("dragstart", (event) => event.preventDefault());

  place(box, Number(sessionStorage.getItem(key(box))) || Math.max(READABLE, whole(box)));
  const selected = box.querySelector(".node.selected");
  if (selected) look(box, selected);
}

export function setUpGraphs(root) {
  for (const box of root.querySelectorAll("[data-graph]")) {
    if (box.querySelector(".graph-tools")) place(box, Number(box.dataset.scale));
    else setUp(box);
  }
}

// A group opens and closes without a new page: the address changes, the parts of the page are made
// anew, and the group stays where it was, with the focus.
export function openInPlace(load) {
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("[data-graph] a[data-frame]");
    if (!link || event.defaultPrevented || event.button !== 0
      || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const { x, y } = link.getBoundingClientRect(), { frame } = link.dataset;
    history.pushState(null, "", link.getAttribute("href"));
    try { await load(); } catch { return location.reload(); }
    const now = document.querySelector(`[data-graph] a[data-frame="${CSS.escape(frame)}"]`);
    if (!now) return location.reload();
    look(now.closest("[data-graph]"), now, [x, y]);
    now.focus({ preventScroll: true });
  });
}
