// Which part of the window is shown; everything that draws listens.

const SHORTEST_NS = 1000;
const view = { from: 0, to: Math.max(grid.dur_ns, 1) };
const listeners = [];
let asked = false;

const redraw = () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; for (const listener of listeners) listener(); });
};

const show = (from, to) => {
  const all = Math.max(grid.dur_ns, 1);
  const span = Math.min(Math.max(to - from, Math.min(SHORTEST_NS, all)), all);
  view.from = Math.min(Math.max(from, 0), all - span);
  view.to = view.from + span;
  redraw();
};

const zoom = (factor, at = (view.from + view.to) / 2) => {
  const share = (at - view.from) / (view.to - view.from);
  const all = Math.max(grid.dur_ns, 1);
  const span = Math.min(Math.max((view.to - view.from) * factor, Math.min(SHORTEST_NS, all)), all);
  show(at - share * span, at - share * span + span);
};

const pan = (share) => {
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
};

const showAll = () => show(0, grid.dur_ns);

// A stretch with some room on both sides.
const showAround = (from, to) => {
  const room = Math.max((to - from) * 0.15, 5000);
  show(from - room, to + room);
};

const isAll = () => view.to - view.from >= grid.dur_ns;
