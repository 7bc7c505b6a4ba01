// The answer first, then everything that it rests on.

const facts = () => {
  const meta = new Map(data.meta);
  const list = [
    ["window", duration(grid.dur_ns)],
    ["calls", count(data.coverage.calls)],
    ["off-CPU intervals", count(data.coverage.off_cpu)],
    ["GPU", meta.get("gpus")],
    ["driver", meta.get("driver")],
    ["kernel", meta.get("kernel")],
    ["trigger", (meta.get("trigger") || "").replace(/:\s*$/, "")],
  ].filter(([, value]) => value);
  byId("facts").append(...list.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value }))));
};

const answer = () => {
  const { sentence, severity, cause, above_low: above } = data.headline;
  byId("where").textContent = document.title;
  byId("answer").textContent = sentence;
  byId("answer").classList.toggle("long", sentence.length > 170);
  const badges = [];
  if (severity) badges.push(el("span", { class: `badge ${severity}`, text: severity }), el("span", { class: "badge LOW", text: cause }));
  if (!above) badges.push(el("span", { class: "badge good", text: "nothing above LOW" }));
  badges.push(el("span", { class: `badge ${data.coverage.complete ? "good" : "bad"}`, text: data.coverage.complete ? "nothing lost" : "incomplete" }));
  byId("badges").append(...badges);
  if (!data.coverage.complete) {
    const partial = byId("partial");
    partial.hidden = false;
    partial.append("Something of this window is missing; where it matters the answer is \u201cundecidable\u201d. ", el("a", { href: "#coverage", text: "What is missing" }));
  }
};

const parts = () => {
  for (const section of document.querySelectorAll("main > section")) {
    byId("parts").append(el("a", { href: `#${section.id}`, text: section.querySelector("h2").textContent }));
  }
};

answer();
facts();
parts();
startTimeline();
findings();
operations();
preemptors();
stacks();
threadTable();
coverage();
about();
document.documentElement.dataset.ready = "true";
