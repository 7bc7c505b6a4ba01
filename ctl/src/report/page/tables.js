// Tables, findings and facts. Whatever comes from the trace becomes text, never markup.

const table = (title, columns, list) => {
  const head = el("tr", {}, ...columns.map((c) => el("th", { scope: "col", class: c.name ? "name" : null, text: c.title, title: c.tells })));
  const body = list.map((row) => el("tr", {}, ...columns.map((c) => {
    const value = c.of(row);
    const hot = c.hot && c.hot(row) ? " hot" : "";
    return el("td", { class: `${c.name ? "name" : ""}${c.long ? " long" : ""}${hot}`.trim() || null, text: value === null || value === undefined ? "" : String(value) });
  })));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
};

const put = (id, ...children) => byId(id).append(...children.filter(Boolean));
const empty = (text) => el("p", { class: "empty", text });
const leftOut = (n) => (n > 0 ? empty(`${count(n)} more rows are left out here; the database has them.`) : null);

const ratio = (a, b) => {
  if (!(b > 0)) return "";
  const times = a / b;
  return `${times >= 10 ? count(times) : times.toFixed(1)}x`;
};

const operations = () => {
  const rows = data.ops.rows;
  if (!rows.length) return put("operations", empty("No CUDA call was recorded in this window."));
  const node = several ? [{ title: "host", name: true, of: (r) => r.node }] : [];
  put("operations",
    el("p", { class: "note", text: `Population: ${data.coverage.population}. Quantiles are nearest rank over all calls of the row.` }),
    table("Operations", [
      ...node,
      { title: "process", name: true, of: (r) => `${r.comm || "?"}/${r.pid}` },
      { title: "operation", name: true, of: (r) => r.op },
      { title: "n", of: (r) => count(r.count) },
      { title: "total", of: (r) => duration(r.total_ns) },
      { title: "p50", of: (r) => duration(r.p50_ns) },
      { title: "p95", of: (r) => duration(r.p95_ns) },
      { title: "p99", of: (r) => duration(r.p99_ns) },
      { title: "max", of: (r) => duration(r.max_ns) },
      { title: "p99/p50", of: (r) => ratio(r.p99_ns, r.p50_ns), hot: (r) => r.p99_ns >= 10 * r.p50_ns && r.count >= 100 },
      { title: "max/avg", of: (r) => ratio(r.max_ns, r.total_ns / Math.max(r.timed, 1)) },
      { title: "first use", tells: "calls, time in them", of: (r) => (r.first_use_count ? `${count(r.first_use_count)} / ${duration(r.first_use_ns)}` : "") },
      { title: "off-CPU calls", of: (r) => (r.off_cpu_calls ? count(r.off_cpu_calls) : "") },
      { title: "off-CPU", of: (r) => (r.off_cpu_ns ? duration(r.off_cpu_ns) : "") },
    ], rows), leftOut(data.ops.left_out));
};

const seeIn = (f) => {
  const button = el("button", { type: "button", text: "Show in the timeline" });
  button.addEventListener("click", () => {
    showAround(f.from, f.to);
    byId("timeline").scrollIntoView({ block: "start" });
    byId("plots").focus({ preventScroll: true });
  });
  return button;
};

const findingCard = (f) => {
  const told = el("dl", { class: "told" });
  let before = null;
  for (const [name, text] of f.told.filter(([name]) => name !== "do")) {
    const title = name || "when";
    told.append(el("dt", { text: title === before ? "" : title }), el("dd", { class: name ? null : "moment", text }));
    before = title;
  }
  const raw = { evidence: f.evidence, counter_evidence: f.counter_evidence, coverage: f.coverage };
  const advice = Array.isArray(f.advice) ? f.advice : [];
  return el("article", { class: `finding ${f.severity}`, id: `finding-${f.rank}`, "aria-label": `Finding ${f.rank}` },
    el("div", { class: "head" },
      el("h3", { text: `#${f.rank} ${f.cause}` }), el("span", { class: `badge ${f.severity}`, text: f.severity }),
      el("span", { text: threadName(f) }), el("span", { class: "note", text: `${duration(f.attributed_ns)} attributed` })),
    el("p", { class: "sum", text: `${threadName(f)} ${f.summary}` }),
    el("p", { class: "note", text: `${clock(f.from)} to ${clock(f.to)} UTC (${duration(f.to - f.from)})`
      + (f.calls_total ? `; ${count(f.calls_affected)} of ${count(f.calls_total)} calls slow or late` : "; a thread without CUDA calls") }),
    advice.length ? el("ul", { class: "advice", "aria-label": "What to do" }, ...advice.map((text) => el("li", { text: String(text) }))) : null,
    told,
    el("div", { class: "row" }, seeIn(f)),
    el("details", {}, el("summary", { text: "Evidence, counter-evidence and coverage as recorded (JSON)" }),
      el("pre", { tabindex: "0", text: JSON.stringify(raw, null, 2) })));
};

const findings = () => {
  const above = data.findings.filter((f) => f.severity !== "LOW"), low = data.findings.filter((f) => f.severity === "LOW");
  if (!data.findings.length) put("findings", empty("None: no call and no gap was held up beyond what is usual here."));
  put("findings", ...above.map(findingCard), leftOut(data.findings_left_out));
  if (!low.length) return;
  const list = el("details", { open: above.length === 0 }, el("summary", { text: `${low.length} of LOW severity` }), ...low.map(findingCard));
  put("findings", list);
  // A link to a finding opens what holds it.
  window.addEventListener("hashchange", () => { if (list.querySelector(`#${CSS.escape(location.hash.slice(1))}`)) { list.open = true; byId(location.hash.slice(1)).scrollIntoView(); } });
};

const preemptors = () => {
  const { rows, left_out: more } = data.preemptors;
  if (!rows.length) return put("preemptors", empty("No thread shown here had to wait while another ran on its CPU, as far as was recorded."));
  put("preemptors", table("Preemptors", [
    { title: "had the CPU", name: true, of: (r) => r.by },
    { title: "instead of", name: true, of: (r) => threadName(data.lanes[r.lane]) },
    { title: "times", of: (r) => count(r.times) },
    { title: "waited", of: (r) => duration(r.ns) },
    { title: "longest", of: (r) => duration(r.max_ns) },
    { title: "of the window", of: (r) => percent(r.ns, grid.dur_ns) },
    { title: "container, unit or cgroup", name: true, of: (r) => r.place || "" },
  ], rows), leftOut(more));
};

const threadTable = () => {
  if (!data.threads.rows.length) return put("threads", empty("No thread was seen off the CPU."));
  put("threads", table("Threads off the CPU", [
    { title: "thread", name: true, of: threadName },
    { title: "CUDA calls", of: (r) => (r.calls ? count(r.calls) : "") },
    { title: "intervals", of: (r) => count(r.off_cpu_count) },
    { title: "off-CPU", of: (r) => duration(r.off_cpu_ns) },
    { title: "longest", of: (r) => duration(r.max_off_cpu_ns) },
    { title: "run queue", of: (r) => duration(r.runqueue_ns) },
    { title: "preempted", of: (r) => count(r.preempted_count) },
  ], data.threads.rows), leftOut(data.threads.left_out));
};

const coverage = () => {
  const c = data.coverage;
  const facts = [
    ["population", c.population],
    ...(c.redacted ? [["redacted", "names are pseudonyms; numbers, times and pids are as recorded"]] : []),
    ["calls decidable", `${count(c.calls - c.calls_undecidable)} of ${count(c.calls)}`],
    ["off-CPU intervals", count(c.off_cpu)],
    ["known to be missing", c.lost.length ? c.lost.map((l) => `${l.source} ${Number(l.events) > 0 ? count(l.events) : "some"} (${l.cause}, within ${duration(Number(l.uncertain_ns))})`).join(", ") : "nothing"],
  ];
  put("coverage", el("dl", { class: "told" }, ...facts.flatMap(([name, text]) => [el("dt", { text: name }), el("dd", { text })])));
  const notes = [...c.damage.map((t) => `damaged: ${t}`), ...c.notes, ...c.not_probed.map((t) => `not probed: ${t}`)];
  if (notes.length) put("coverage", el("ul", { class: "advice" }, ...notes.map((text) => el("li", { text }))));
  if (!losses.length) return;
  const at = (v) => {
    if (typeof v === "number") return clock(v);
    return Number(v) < 0 ? "long before" : "long after";
  };
  put("coverage", table("Losses", [
    ...(several ? [{ title: "host", name: true, of: (r) => r.node }] : []),
    { title: "source", name: true, of: (r) => r.source },
    { title: "cause", name: true, of: (r) => r.cause },
    { title: "events", of: (r) => (Number(r.count) > 0 ? count(r.count) : "not known") },
    { title: "from", of: (r) => at(r.from) },
    { title: "to", of: (r) => at(r.to) },
    { title: "within", of: (r) => duration(r.to - r.from) },
  ], losses), leftOut(data.losses.left_out));
};

const about = () => {
  const known = data.meta.filter(([, value]) => value !== "");
  put("about", table("About this recording", [
    { title: "what", name: true, of: ([key]) => key }, { title: "value", name: true, long: true, of: ([, value]) => value },
  ], known), el("p", { class: "note", text: `Written by ingeroctl ${data.tool_version}. All times are UTC.` }));
};
