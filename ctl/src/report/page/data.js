// The data of the page, unpacked.

const data = JSON.parse(byId("data").textContent);
const grid = data.grid;
const dayNs = Number(BigInt(data.window.from_ns) % 86400000000000n);
const clock = (at, step = 1e6) => clockAt(dayNs, at, step);

// Sums up to each bucket's begin, so that the sum of any stretch is one subtraction.
const sums = (columns) => {
  const out = new Float64Array(grid.buckets + 1);
  let at = 0, value = 0;
  const put = () => { if (at < grid.buckets) out[at + 1] = value; at += 1; };
  for (let i = 0; i < columns.length; i += 1) {
    if (columns[i] < 0) {
      for (let n = columns[i]; n < 0; n += 1) put();
    } else {
      at += columns[i];
      i += 1;
      value = columns[i];
      put();
    }
  }
  for (let i = 1; i < out.length; i += 1) out[i] += out[i - 1];
  return out;
};

const isEmpty = (sum) => sum[sum.length - 1] === 0;

// The sum up to a moment; within a bucket it is taken to rise evenly.
const upTo = (sum, at) => {
  const place = Math.max(0, Math.min(grid.buckets, at / grid.bucket_ns));
  const whole = Math.floor(place);
  if (whole >= grid.buckets) return sum[grid.buckets];
  return sum[whole] + (sum[whole + 1] - sum[whole]) * (place - whole);
};

const between = (sum, from, to) => upTo(sum, to) - upTo(sum, from);

// Single things by begin; `reach` is the latest end of all up to each, `depth` how many others it lies in.
const things = (columns) => {
  const n = columns.ts.length;
  const ts = new Float64Array(n), end = new Float64Array(n), reach = new Float64Array(n), depth = new Uint8Array(n);
  const open = [];
  let at = 0, most = -Infinity;
  for (let i = 0; i < n; i += 1) {
    at += columns.ts[i];
    ts[i] = at;
    end[i] = at + columns.dur[i];
    most = Math.max(most, end[i]);
    reach[i] = most;
    while (open.length && open[open.length - 1] <= at) open.pop();
    depth[i] = Math.min(open.length, 3);
    open.push(end[i]);
  }
  return { ...columns, ts, end, reach, depth, count: n, all: columns.seen === n };
};

// First place at which a rising list is greater than a value.
const firstAbove = (list, value) => {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] > value) high = middle; else low = middle + 1;
  }
  return low;
};

// Places of the things that touch a stretch: from the first, up to the second.
const touching = (list, from, to) => [firstAbove(list.reach, from), firstAbove(list.ts, to)];

const lanes = data.lanes.map((lane, place) => ({
  ...lane,
  place,
  calls: things(lane.calls),
  firstUses: things(lane.first_uses),
  offCpu: things(lane.off_cpu),
  inCalls: lane.calls_in.map(sums),
  launches: sums(lane.launches),
  waits: lane.waits.map(sums),
  preempted: lane.preempted.map((p) => ({ ...p, sum: sums(p.cells) })),
  findings: data.findings.filter((f) => f.tid === lane.tid && f.pid === lane.pid && f.node === lane.node),
}));

const several = data.window.nodes.length > 1;
const threadName = (t) => `${several ? `${t.node}: ` : ""}${t.comm || "?"}/${t.pid} tid ${t.tid}`;
const losses = data.losses.rows;

// What grows without end is shown as growth in a second.
const grows = (name) => /(_total|_total_us|_sum|_count)$/.test(name);

const growth = (curve) => {
  const ts = [], v = [];
  for (let i = 1; i < curve.ts.length; i += 1) {
    const seconds = (curve.ts[i] - curve.ts[i - 1]) / 1e9;
    if (seconds <= 0 || curve.v[i] < curve.v[i - 1]) continue;
    ts.push(curve.ts[i]);
    v.push((curve.v[i] - curve.v[i - 1]) / seconds);
  }
  return { ...curve, title: `${curve.name} per second`, ts, v };
};

// Mean time to first token of the requests between two readings: growth of the sum over growth of the count.
const meanTtft = (curves) => {
  const found = [];
  for (const sum of curves.filter((c) => /time_to_first_token_seconds_sum$/.test(c.name))) {
    const name = sum.name.replace(/_sum$/, "_count");
    const requests = curves.find((c) => c.name === name && c.labels === sum.labels && c.node === sum.node);
    if (!requests) continue;
    const ts = [], v = [];
    for (let i = 1; i < Math.min(sum.ts.length, requests.ts.length); i += 1) {
      const more = requests.v[i] - requests.v[i - 1];
      if (more <= 0) continue;
      ts.push(sum.ts[i]);
      v.push((sum.v[i] - sum.v[i - 1]) / more);
    }
    found.push({ ...sum, title: "time to first token, mean, seconds", ts, v, main: true });
  }
  return found;
};

const curves = (() => {
  const all = data.counters.curves;
  const shown = all.map((c) => {
    const main = /^gpu_utilization_percent$|(^|[_:])ttft/i.test(c.name);
    const curve = grows(c.name) ? growth(c) : { ...c, title: c.name };
    return { ...curve, main, top: /percent$/.test(c.name) ? 100 : null };
  });
  const list = [...meanTtft(all), ...shown].filter((c) => c.ts.length > 0);
  const moves = (c) => c.v.some((value) => value !== c.v[0]);
  list.sort((a, b) => Number(b.main || false) - Number(a.main || false) || Number(moves(b)) - Number(moves(a)));
  return list.map((c, place) => ({ ...c, place, on: Boolean(c.main) && place < 6, moves: moves(c) }));
})();
