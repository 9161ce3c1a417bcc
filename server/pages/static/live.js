// Keeping a page fresh: when the server says that there is news, the page is asked for anew, and
// its parts that are marked `data-live` are made what they are there.

const SOON_MS = 120, SLOW_FACTOR = 2;

// Make what stands there what the server says, with as little change as can be: what is the same
// stays, with its focus and its place. What scripts put there (`data-own`, styles) and what the
// reader opened is left alone.
function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "style" && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const [before, after] = [old, fresh].map((one) => [...one.childNodes].filter((child) => !child.dataset?.own));
  before.forEach((child, at) => after[at] ? renew(child, after[at]) : child.remove());
  old.append(...after.slice(before.length));
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

export function keepFresh(setUp, tellTimes) {
  const address = document.body.dataset.events;
  if (!address) return;
  const gone = document.getElementById("gone"), said = document.getElementById("said");
  let wanted = false, going = false, source = null;

  async function refresh() {
    if (going || document.hidden) { wanted = true; return; }
    going = true;
    wanted = false;
    const began = performance.now();
    try {
      await load();
      tell(false);
    } catch {
      tell(true);
      wanted = true;
    }
    const took = performance.now() - began;
    setTimeout(() => { going = false; if (wanted) refresh(); }, SOON_MS + SLOW_FACTOR * took);
  }

  async function load() {
    const asked = location.href;
    const answer = await fetch(asked, { headers: { accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") return location.reload();
    if (!answer.ok) return;
    const text = await answer.text();
    if (asked === location.href) take(new DOMParser().parseFromString(text, "text/html"));
    else wanted = true;
  }

  function take(fresh) {
    tellTimes(fresh);
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const other = fresh.getElementById(part.id);
      if (!other || part.isEqualNode(other) || isBusy(part)) continue;
      const restore = remember(part);
      renew(part, document.adoptNode(other));
      setUp(part);
      restore();
    }
    document.title = fresh.title;
    const status = document.querySelector("[data-say]")?.dataset.say;
    if (status && status !== lastSaid) said.textContent = lastSaid = status;
  }

  function tell(isGone) { gone.hidden = !isGone; }

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
  addEventListener("popstate", () => load().catch(() => location.reload()));
  const every = Number(document.body.dataset.every);
  if (every) setInterval(refresh, every * 1000);
  return load;
}
