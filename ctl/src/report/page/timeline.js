// The timeline: rows below each other, moved and zoomed as one.

const rows = [];

const addRow = (parent, row, extra) => {
  const canvas = el("canvas", { role: "img", "aria-label": row.words, class: extra });
  parent.append(canvas);
  rows.push({ ...row, canvas });
};

const laneBlock = (lane) => {
  const why = { cuda: `${count(lane.calls.seen)} CUDA calls`, finding: "has a finding", wakes: "wakes threads above" }[lane.why];
  const block = el("div", { class: "lane" },
    el("div", { class: "lane-name" }, el("b", { text: threadName(lane) }), el("span", { text: why }),
      ...lane.findings.slice(0, 6).map((f) => el("a", {
        href: `#finding-${f.rank}`, class: `badge ${f.severity}`, text: `#${f.rank} ${f.cause}`,
      }))));
  if (lane.why === "cuda") {
    if (!isEmpty(lane.launches)) addRow(block, rateRow(lane));
    addRow(block, callsRow(lane));
  }
  addRow(block, offRow(lane));
  if (lane.preempted.length) addRow(block, preemptorRow(lane));
  return block;
};

const layOut = () => {
  const plots = byId("plots");
  plots.replaceChildren();
  rows.length = 0;
  addRow(plots, axisRow(), "axis");
  addRow(plots, findingsRow());
  for (const curve of curves.filter((c) => c.on)) addRow(plots, curveRow(curve));
  if (data.annotations.rows.length) addRow(plots, annotationsRow());
  for (const lane of lanes) plots.append(laneBlock(lane));
  plots.append(el("div", { class: "cursor", id: "cursor", hidden: true }));
  redraw();
};

const drawAll = () => {
  for (const row of rows) row.draw(row.canvas);
  const span = view.to - view.from;
  const step = span / 1000;
  byId("shown").textContent = `${clock(view.from, step)} to ${clock(view.to, step)} UTC \u00b7 ${duration(span)}`
    + (isAll() ? " \u00b7 all of the window" : ` of ${duration(grid.dur_ns)}`);
  byId("plots").dataset.from = String(Math.round(view.from));
  byId("plots").dataset.to = String(Math.round(view.to));
};

const KEYS = {
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), _: () => zoom(2),
  ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), "0": showAll,
  Home: () => show(0, view.to - view.from), End: () => show(grid.dur_ns - (view.to - view.from), grid.dur_ns),
};

const xIn = (plots, event) => event.clientX - plots.getBoundingClientRect().left;

const wheel = (plots) => (event) => {
  const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
  // Where nothing can be zoomed out any more, the page scrolls.
  if (!sideways && event.deltaY > 0 && isAll()) return;
  event.preventDefault();
  if (sideways) pan(Math.sign(event.deltaX || event.deltaY) * 0.08);
  else zoom(1.0015 ** Math.max(-400, Math.min(event.deltaY, 400)), timeAt(xIn(plots, event), plots.clientWidth));
};

// One pointer drags, two zoom.
const pointers = (plots) => {
  const down = new Map();
  const middle = () => [...down.values()].reduce((sum, p) => sum + p.x, 0) / down.size;
  const apart = () => { const [a, b] = [...down.values()]; return Math.max(Math.abs(a.x - b.x), 10); };
  plots.addEventListener("pointerdown", (event) => {
    if (event.target.closest("a") || event.button > 0) return;
    down.set(event.pointerId, { x: xIn(plots, event) });
    plots.setPointerCapture(event.pointerId);
    plots.classList.add("dragged");
  });
  plots.addEventListener("pointermove", (event) => {
    const own = down.get(event.pointerId);
    if (!own) return;
    const before = { middle: middle(), apart: down.size > 1 ? apart() : 1 };
    own.x = xIn(plots, event);
    const at = timeAt(before.middle, plots.clientWidth);
    if (down.size > 1) zoom(before.apart / apart(), at);
    pan((before.middle - middle()) / plots.clientWidth);
  });
  const up = (event) => { down.delete(event.pointerId); plots.classList.toggle("dragged", down.size > 0); };
  plots.addEventListener("pointerup", up);
  plots.addEventListener("pointercancel", up);
};

const tell = (plots) => (event) => {
  const tip = byId("tip"), cursor = byId("cursor");
  const row = rows.find((r) => r.canvas === document.elementFromPoint(event.clientX, event.clientY));
  const box = row && row.canvas.getBoundingClientRect();
  const words = row && row.at(event.clientX - box.left, event.clientY - box.top, box.width);
  cursor.hidden = !row;
  cursor.style.left = `${xIn(plots, event)}px`;
  tip.hidden = !words;
  if (!words) return;
  const [title, ...lines] = words.filter(Boolean);
  tip.replaceChildren(el("b", { text: title }), ...lines.map((text) => el("div", { text })));
  const room = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, window.innerWidth - room.width - 6))}px`;
  tip.style.top = `${event.clientY + 18 + room.height > window.innerHeight ? event.clientY - room.height - 10 : event.clientY + 18}px`;
};

const curvesMenu = () => {
  const menu = byId("curves");
  for (const curve of curves) {
    const box = el("input", { type: "checkbox", checked: curve.on });
    box.addEventListener("change", () => { curve.on = box.checked; layOut(); });
    const text = ` ${[several ? curve.node : "", curve.title, curve.labels].filter(Boolean).join(" \u00b7 ")}${curve.moves ? "" : " (does not change)"}`;
    menu.append(el("label", {}, box, document.createTextNode(text)));
  }
  if (!curves.length) menu.append(el("p", { class: "empty", text: "No numbers were read at intervals." }));
};

const legend = () => {
  const item = (swatch, name) => el("span", {}, el("i", { class: `swatch ${swatch}`, "aria-hidden": "true" }), document.createTextNode(name));
  byId("legend").append(
    el("b", { text: "Calls" }), ...grid.calls.map((name, i) => item(`c${i}`, name)), item("mark", "first use"),
    el("b", { text: "Off the CPU" }), ...grid.waits.map((name, i) => item(`w${i}`, name)),
    losses.length ? item("hole", "events are missing") : "");
};

// What is summed or left out, in words.
const cuts = () => {
  const said = [`Columns are sums over ${duration(grid.bucket_ns)} and show the share of time.`];
  const cut = (name, kind) => {
    const some = lanes.filter((lane) => !lane[kind].all);
    if (!some.length) return;
    const [shown, seen] = [some.reduce((n, l) => n + l[kind].count, 0), some.reduce((n, l) => n + l[kind].seen, 0)];
    const stretch = Math.max(...some.map((lane) => lane[kind].stretch_ns));
    said.push(`Drawn one by one: ${count(shown)} of ${count(seen)} ${name}, the ${grid.each} longest of each ${duration(stretch)}; the others are in the sums.`);
  };
  cut("calls", "calls");
  cut("intervals off the CPU", "offCpu");
  cut("first uses", "firstUses");
  if (data.threads_without_lane > 0) said.push(`${count(data.threads_without_lane)} more threads have no lane here.`);
  if (!curves.some((c) => /gpu_utilization/.test(c.name))) said.push("GPU utilisation was not recorded.");
  if (!curves.some((c) => /ttft|time to first token/.test(c.title))) said.push("Time to first token was not recorded.");
  if (data.annotations.left_out > 0) said.push(`${count(data.annotations.left_out)} further annotations are left out.`);
  if (data.counters.values_left_out > 0) said.push(`${count(data.counters.values_left_out)} values of further counters are left out.`);
  if (lanes.some((lane) => lane.preempted.length === 8)) said.push("Of each thread's preemptors the eight with the most time have colours.");
  byId("cuts").textContent = said.join(" ");
};

const startTimeline = () => {
  const plots = byId("plots");
  const press = (id, act) => byId(id).addEventListener("click", act);
  press("zoom-in", () => zoom(0.5));
  press("zoom-out", () => zoom(2));
  press("pan-left", () => pan(-0.5));
  press("pan-right", () => pan(0.5));
  press("zoom-all", showAll);
  plots.addEventListener("wheel", wheel(plots), { passive: false });
  plots.addEventListener("pointermove", tell(plots));
  plots.addEventListener("pointerdown", tell(plots));
  const hush = () => { byId("tip").hidden = true; byId("cursor").hidden = true; };
  // What a finger asked for stays to be read until something else is touched.
  plots.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hush(); });
  document.addEventListener("pointerdown", (event) => { if (!plots.contains(event.target)) hush(); });
  window.addEventListener("scroll", hush, { passive: true });
  pointers(plots);
  plots.addEventListener("dblclick", (event) => zoom(0.25, timeAt(xIn(plots, event), plots.clientWidth)));
  byId("timeline").addEventListener("keydown", (event) => {
    const act = event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input") ? null : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  window.addEventListener("resize", redraw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); redraw(); });
  readColours();
  curvesMenu();
  legend();
  cuts();
  listeners.push(drawAll);
  layOut();
};
