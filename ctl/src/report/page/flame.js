// Kernel stacks at switch-out as a flame graph: the outermost function on top, the width its time off the CPU.

const frameName = (place) => data.frames[place] || "?";
const OWN = /^(__schedule|schedule|__traceiter.*)$/;
const telling = (frames) => frames.map(frameName).filter((name) => !OWN.test(name));

const NO_STACK = "(no kernel stack recorded)";

// A tree of sums; a stack goes in from its outermost frame.
const grow = (rows) => {
  const root = { name: "all", ns: 0, times: 0, children: new Map() };
  for (const [id, times, ns] of rows) {
    const frames = data.stacks.stacks[id];
    const path = frames ? telling(frames).reverse() : [NO_STACK];
    let node = root;
    root.ns += ns;
    root.times += times;
    for (const name of path) {
      if (!node.children.has(name)) node.children.set(name, { name, ns: 0, times: 0, children: new Map(), parent: node });
      node = node.children.get(name);
      node.ns += ns;
      node.times += times;
    }
  }
  return root;
};

const LINE = 22;

const drawFlame = (box, root, focus, choose) => {
  const above = [];
  for (let node = focus.parent; node; node = node.parent) above.unshift(node);
  const buttons = [];
  let lines = 1;
  const place = (node, left, width, depth, alone = false) => {
    if (width < 0.004) return;
    const words = `${node.name}: ${duration(node.ns)}, ${percent(node.ns, root.ns)}, ${count(node.times)} times`;
    const button = el("button", { type: "button", text: node.name, title: words, "aria-label": words });
    button.style.left = `${left * 100}%`;
    button.style.width = `${width * 100}%`;
    button.style.top = `${depth * LINE}px`;
    button.addEventListener("click", () => choose(node));
    buttons.push(button);
    lines = Math.max(lines, depth + 1);
    if (alone) return;
    let at = left;
    const children = [...node.children.values()].sort((a, b) => b.ns - a.ns || (a.name < b.name ? -1 : 1));
    for (const child of children) {
      const share = node.ns > 0 ? (child.ns / node.ns) * width : 0;
      place(child, at, share, depth + 1);
      at += share;
    }
  };
  above.forEach((node, depth) => place(node, 0, 1, depth, true));
  place(focus, 0, 1, above.length);
  box.replaceChildren(...buttons);
  box.style.height = `${lines * LINE}px`;
};

const stackTable = (lane, rest) => {
  const rows = lane.rows.slice(0, 30);
  const more = lane.rows.slice(30).reduce((sum, [, , ns]) => sum + ns, rest);
  return [table("Kernel stacks", [
    { title: "waited in", name: true, long: true, of: ([id]) => (data.stacks.stacks[id] ? telling(data.stacks.stacks[id]).slice(0, 5).join(" <- ") : NO_STACK) },
    { title: "times", of: ([, times]) => count(times) },
    { title: "mean", of: ([, times, ns]) => duration(ns / times) },
    { title: "longest", of: ([, , , longest]) => duration(longest) },
    { title: "off-CPU", of: ([, , ns]) => duration(ns) },
  ], rows), more > 0 ? empty(`In further stacks: ${duration(more)}.`) : null];
};

const stacks = () => {
  const some = data.stacks.lanes.map((lane, i) => [lane, i]).filter(([lane]) => lane.rows.length > 0);
  if (!some.length) return put("stacks", empty("No time off the CPU was recorded for the threads shown."));
  const select = el("select", { "aria-label": "Thread whose kernel stacks are shown" },
    ...some.map(([, i]) => el("option", { value: String(i), text: threadName(data.lanes[i]) })));
  const box = el("div", { class: "flame", role: "group", "aria-label": "Flame graph of kernel stacks by time off the CPU" });
  const below = el("div", {});
  const draw = () => {
    const lane = data.stacks.lanes[Number(select.value)];
    const root = grow(lane.rows);
    const choose = (node) => drawFlame(box, root, node, choose);
    choose(root);
    below.replaceChildren(...stackTable(lane, lane.rest_ns).filter(Boolean));
  };
  select.addEventListener("change", draw);
  put("stacks", el("div", { class: "row" }, select, el("span", { class: "note", text: "Time off the CPU, waiting in the run queue included; pick a function to see only what it called." })), box, el("p", {}), below);
  draw();
};
