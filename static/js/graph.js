// The graph of a run: arrow keys go from step to step, and the chosen step stays in sight.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function startGraph() {
  if (!document.querySelector("[data-graph]")) return;
  let left = 0;
  document.addEventListener("keydown", move);
  document.addEventListener("htmx:beforeSwap", () => (left = box()?.scrollLeft ?? 0));
  document.addEventListener("htmx:afterSettle", () => {
    if (box()) box().scrollLeft = left;
    settle();
  });
  document.addEventListener("regions:refreshed", () => rove());
  settle();
}

const box = () => document.querySelector("[data-graph]")?.parentElement;
const nodes = () => [...document.querySelectorAll("[data-graph] [data-node]")];

function settle() {
  rove();
  show(document.querySelector("[data-graph] [aria-current]"));
}

// One stop for Tab, however many steps there are: the step in focus, or the chosen one.
function rove() {
  const all = nodes();
  const stop = all.find((node) => node === document.activeElement) ?? all.find((node) => node.hasAttribute("aria-current")) ?? all[0];
  for (const node of all) node.setAttribute("tabindex", node === stop ? "0" : "-1");
}

function show(node) {
  const place = box();
  if (!node || !place) return;
  const inner = node.getBoundingClientRect();
  const outer = place.getBoundingClientRect();
  if (inner.left < outer.left || inner.right > outer.right) {
    place.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  }
}

function move(event) {
  const from = event.target.closest?.("[data-graph] [data-node]");
  const arrow = ARROWS[event.key];
  if (!from || !arrow || event.ctrlKey || event.altKey || event.metaKey) return;
  const to = nearest(from, arrow);
  if (!to) return;
  event.preventDefault();
  to.focus({ preventScroll: true });
  show(to);
  rove();
}

/** The step that lies next in the direction of the arrow: what is off to the side counts twice as far. */
function nearest(from, [dx, dy]) {
  const start = middle(from);
  let best = null;
  let least = Infinity;
  for (const node of nodes()) {
    const { x, y } = middle(node);
    const ahead = (x - start.x) * dx + (y - start.y) * dy;
    const aside = Math.abs((x - start.x) * dy) + Math.abs((y - start.y) * dx);
    if (node === from || ahead < 4) continue;
    const distance = ahead + 2 * aside;
    if (distance < least) [best, least] = [node, distance];
  }
  return best;
}

function middle(node) {
  const { left, top, width, height } = node.querySelector(".graph-node").getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
}
