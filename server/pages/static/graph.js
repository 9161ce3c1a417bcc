// Graphs: they begin as large as their place, and can be made larger, smaller and be dragged.

const scales = new Map();
const MIN = 0.2, MAX = 2.5;

function setUp(box) {
  const svg = box.querySelector("svg.graph");
  const { width, height } = svg.viewBox.baseVal;
  const name = box.getAttribute("aria-label") + location.pathname;
  const room = innerHeight * 0.75;
  const fit = () => Math.min(1, Math.max(0.55, Math.min((box.clientWidth - 4) / width, room / height)));

  function scale(to, x = box.clientWidth / 2, y = box.clientHeight / 2) {
    const before = svg.width.baseVal.value / width, after = Math.min(MAX, Math.max(MIN, to));
    const left = (box.scrollLeft + x) / before, top = (box.scrollTop + y) / before;
    svg.setAttribute("width", width * after);
    svg.setAttribute("height", height * after);
    box.scrollLeft = left * after - x;
    box.scrollTop = top * after - y;
    scales.set(name, after);
  }
  const now = () => svg.width.baseVal.value / width;

  const tools = document.createElement("div");
  tools.className = "graph-tools";
  for (const [text, label, act] of [
    ["−", "Make the graph smaller", () => scale(now() / 1.25)],
    ["+", "Make the graph larger", () => scale(now() * 1.25)],
    ["⤢", "Fit the graph into its place", () => scale(fit(), 0, 0)],
  ]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.title = label;
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    tools.append(button);
  }
  box.prepend(tools);

  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const place = box.getBoundingClientRect();
    scale(now() * Math.exp(-event.deltaY / 300), event.clientX - place.left, event.clientY - place.top);
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

  scale(scales.get(name) ?? fit(), 0, 0);
}

export function setUpGraphs(root) {
  for (const box of root.querySelectorAll("[data-graph]")) if (!box.querySelector(".graph-tools")) setUp(box);
}
