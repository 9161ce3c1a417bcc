// Keeping a page fresh: when the server says that there is news, the page is asked for anew, and
// its parts that are marked `data-live` are put in place of the old ones where they differ.

const SOON_MS = 120, SLOW_FACTOR = 4;

// What a part is, without the times in it, which differ with every look.
function essence(part) {
  const copy = part.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.replaceChildren();
  return copy.innerHTML;
}

function isBusy(part) {
  const focus = document.activeElement;
  if (part.contains(focus) && focus.matches("input, textarea, select")) return true;
  for (const open of part.querySelectorAll("details.action[open]")) return true;
  return [...part.querySelectorAll("input, textarea")].some((field) =>
    field.type !== "hidden" && (field.type === "checkbox"
      ? field.checked !== field.defaultChecked : field.value !== field.defaultValue));
}

// What a reader has done to a part that is about to be replaced: what is open, where it is scrolled
// to, and which link has the focus.
function remember(part) {
  const opened = [...part.querySelectorAll("details")].map((one) => one.open);
  const focus = part.contains(document.activeElement)
    ? document.activeElement.getAttribute("href") : null;
  const scrolled = [part, ...part.querySelectorAll(".graph-box")].map((one) =>
    [one.scrollLeft, one.scrollTop]);
  const atEnd = part.scrollHeight - part.scrollTop - part.clientHeight < 24;
  return () => {
    part.querySelectorAll("details").forEach((one, at) => {
      if (opened[at] !== undefined) one.open = opened[at];
    });
    [part, ...part.querySelectorAll(".graph-box")].forEach((one, at) => {
      if (scrolled[at]) [one.scrollLeft, one.scrollTop] = scrolled[at];
    });
    if ("follow" in part.dataset && atEnd) part.scrollTop = part.scrollHeight;
    if (focus !== null) {
      for (const link of part.querySelectorAll("a[href]")) {
        if (link.getAttribute("href") === focus) return link.focus({ preventScroll: true });
      }
    }
  };
}

export function keepFresh(setUp) {
  const address = document.body.dataset.events;
  if (!address) return;
  const known = new Map();
  for (const part of document.querySelectorAll("[data-live][id]")) known.set(part.id, null);
  const gone = document.getElementById("gone"), said = document.getElementById("said");
  let wanted = false, going = false, source = null;

  async function refresh() {
    if (going || document.hidden) { wanted = true; return; }
    going = true;
    wanted = false;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") return location.reload();
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      tell(false);
    } catch {
      tell(true);
      wanted = true;
    }
    const took = performance.now() - began;
    setTimeout(() => { going = false; if (wanted) refresh(); }, SOON_MS + SLOW_FACTOR * took);
  }

  function take(fresh) {
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const other = fresh.getElementById(part.id);
      if (!other) continue;
      const now = essence(other);
      if (known.get(part.id) === now || isBusy(part)) continue;
      if (known.get(part.id) === null && essenceAtFirst.get(part.id) === now) {
        known.set(part.id, now);
        continue;
      }
      known.set(part.id, now);
      const restore = remember(part);
      part.replaceChildren(...other.childNodes);
      setUp(part);
      restore();
    }
    document.title = fresh.title;
    const status = document.querySelector("[data-say]")?.dataset.say;
    if (status && status !== lastSaid) said.textContent = lastSaid = status;
  }

  function tell(isGone) { gone.hidden = !isGone; }

  const essenceAtFirst = new Map();
  for (const part of document.querySelectorAll("[data-live][id]")) {
    essenceAtFirst.set(part.id, essence(part));
  }
  let lastSaid = document.querySelector("[data-say]")?.dataset.say;

  function listen() {
    source?.close();
    source = new EventSource(address);
    let hello = false;
    source.addEventListener("hello", () => {
      tell(false);
      document.body.dataset.connected = "yes";
      if (hello) refresh();
      hello = true;
    });
    source.addEventListener("news", () => setTimeout(refresh, SOON_MS));
    source.addEventListener("error", () => {
      delete document.body.dataset.connected;
      if (source.readyState === EventSource.CLOSED) {
        refresh();  // says whether it is the server that is gone, or the session
        setTimeout(() => { if (!document.hidden) listen(); }, 3000);
      } else {
        tell(true);
      }
    });
  }
  if (!document.hidden) listen();
  // A browser keeps few connections to a server: a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return source?.close();
    listen();
    refresh();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) { listen(); refresh(); } });
  const every = Number(document.body.dataset.every);
  if (every) setInterval(refresh, every * 1000);
}
