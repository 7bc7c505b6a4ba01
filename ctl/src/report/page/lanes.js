// What stands on the axis of time: findings, curves, and for each thread its launches, calls, waits and preemptors.

const SINGLE = 5000;
// Above what is drawn of a thread: what it is, and marks.
const STRIP = 13;
const nameOf = (place) => data.names[place] || "?";
const severityColour = (severity) => colours[severity.toLowerCase()] || colours.low;
const overlaps = (thing) => thing.to >= view.from && thing.from <= view.to;

const axisRow = () => ({
  height: 22,
  words: "Axis of time",
  draw(canvas) {
    const { ctx, width } = pen(canvas, this.height);
    const { step, list } = ticks(width);
    ctx.fillStyle = colours.muted;
    for (const at of list) {
      const x = xOf(at, width), text = clock(at, step), wide = ctx.measureText(text).width;
      ctx.fillRect(Math.round(x), 15, 1, 7);
      if (x - wide / 2 > 0 && x + wide / 2 < width) ctx.fillText(text, x - wide / 2, 8);
    }
  },
  at: () => null,
});

// Findings on as few lines as keep them apart.
const findingsRow = () => {
  const lines = [];
  const placed = data.findings.map((f) => {
    let line = lines.findIndex((end) => end <= f.from);
    if (line < 0) line = lines.push(0) - 1;
    lines[line] = f.to;
    return { ...f, line };
  }).filter((f) => f.line < 6);
  return {
    height: Math.max(lines.length && Math.min(lines.length, 6), 1) * 17 + 3,
    words: `${data.findings.length} findings`,
    draw(canvas) {
      const { ctx, width } = pen(canvas, this.height);
      gridLines(ctx, width, 0, this.height);
      if (!placed.length) label(ctx, "no findings", 2, 9);
      for (const f of placed.filter(overlaps)) {
        const x = Math.max(xOf(f.from, width), -4), end = Math.min(xOf(f.to, width), width + 4);
        const wide = Math.max(end - x, 3), y = f.line * 17 + 2;
        ctx.fillStyle = severityColour(f.severity);
        ctx.fillRect(x, y, wide, 14);
        ctx.fillStyle = colours.card;
        inside(ctx, `#${f.rank} ${f.cause}`, x, y + 7.5, wide);
      }
    },
    at(x, y, width) {
      const moment = timeAt(x, width), slack = timeAt(x + 4, width) - moment, line = Math.floor(y / 17);
      const f = placed.find((p) => p.line === line && p.from - slack <= moment && p.to + slack >= moment);
      return f && [`#${f.rank} [${f.severity}] ${f.cause}`, threadName(f), f.summary, `attributed ${duration(f.attributed_ns)}`];
    },
  };
};

// What a workload, or another tool, said of a time: shown as it was said, and no finding of ours.
// Each line is of one process; what of it overlaps has a further line, as long as there are some.
const annotationsRow = () => {
  const LINES = 12, HIGH = 11, lines = [];
  const all = data.annotations.rows.map((a) => {
    const from = Number(a.from), to = from + Number(a.dur), of = `${a.node} ${a.pid}`;
    let line = lines.findIndex((known) => known.of === of && known.end <= from);
    if (line < 0) line = lines.length < LINES ? lines.push({ of }) - 1 : LINES - 1;
    lines[line].end = Math.max(to, lines[line].end ?? to);
    return { ...a, from, to, line };
  });
  return {
    height: STRIP + 3 + lines.length * HIGH,
    words: `${all.length} annotations`,
    draw(canvas) {
      const { ctx, width } = pen(canvas, this.height);
      gridLines(ctx, width, 0, this.height);
      ctx.fillStyle = colours.accent;
      ctx.globalAlpha = 0.55;
      for (const a of all.filter(overlaps)) {
        const x = Math.max(xOf(a.from, width), -4), end = Math.min(xOf(a.to, width), width + 4);
        ctx.fillRect(x, STRIP + 2 + a.line * HIGH, Math.max(end - x, 2), HIGH - 2);
      }
      ctx.globalAlpha = 1;
      label(ctx, "annotations: what others said", 2, 6);
    },
    at(x, y, width) {
      const moment = timeAt(x, width), slack = timeAt(x + 4, width) - moment;
      const line = Math.min(Math.max(Math.floor((y - STRIP - 2) / HIGH), 0), lines.length - 1);
      const a = all.find((one) => one.line === line && one.from - slack <= moment && one.to + slack >= moment);
      return a && ["annotation", `${duration(a.to - a.from)} from ${clock(a.from)}`, a.pid ? `process ${a.pid}` : null, several ? a.node : null, a.labels];
    },
  };
};

const nearestPoint = (ts, moment) => {
  const after = firstAbove(ts, moment);
  if (after === 0) return 0;
  if (after >= ts.length) return ts.length - 1;
  return moment - ts[after - 1] < ts[after] - moment ? after - 1 : after;
};

const curveRow = (curve) => {
  const highest = curve.top ?? Math.max(...curve.v, 0), lowest = Math.min(...curve.v, 0);
  const title = [several ? curve.node : "", curve.title, curve.labels].filter(Boolean).join(" \u00b7 ");
  return {
    height: 46,
    words: `${title}: from ${number(Math.min(...curve.v))} to ${number(Math.max(...curve.v))}`,
    draw(canvas) {
      const { ctx, width } = pen(canvas, this.height);
      gridLines(ctx, width, 0, this.height);
      holes(ctx, width, this.height, curve.node);
      const y = (v) => this.height - 3 - ((v - lowest) / (highest - lowest || 1)) * (this.height - 18);
      const first = Math.max(0, firstAbove(curve.ts, view.from) - 1);
      const last = Math.min(curve.ts.length, firstAbove(curve.ts, view.to) + 1);
      ctx.strokeStyle = colours.curve;
      ctx.fillStyle = colours.curve;
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      for (let i = first; i < last; i += 1) {
        const x = xOf(curve.ts[i], width);
        if (i === first) ctx.moveTo(x, y(curve.v[i])); else ctx.lineTo(x, y(curve.v[i]));
      }
      ctx.stroke();
      if (last - first < 200) {
        for (let i = first; i < last; i += 1) {
          ctx.beginPath();
          ctx.arc(xOf(curve.ts[i], width), y(curve.v[i]), 2.4, 0, 7);
          ctx.fill();
        }
      }
      label(ctx, title, 2, 8);
      label(ctx, `to ${number(highest)}`, width - 2, 8, "right");
    },
    at(x, y, width) {
      const i = nearestPoint(curve.ts, timeAt(x, width));
      return [title, `${number(curve.v[i])} at ${clock(curve.ts[i])}`, "read at intervals; the line between points is drawn"];
    },
  };
};

const rateRow = (lane) => ({
  height: 40,
  words: `${lane.comm} launches a second`,
  draw(canvas) {
    const { ctx, width } = pen(canvas, this.height);
    gridLines(ctx, width, 0, this.height);
    holes(ctx, width, this.height, lane.node);
    // A column no finer than a bucket, and a few pixels wide, or single launches would look like peaks.
    const wide = Math.max(3, Math.ceil((grid.bucket_ns / (view.to - view.from)) * width));
    const rates = [];
    for (let x = 0; x < width; x += wide) {
      const from = timeAt(x, width), to = timeAt(x + wide, width);
      rates.push((between(lane.launches, from, to) / (to - from)) * 1e9);
    }
    const most = Math.max(...rates, 1);
    ctx.fillStyle = colours.fill;
    ctx.strokeStyle = colours.curve;
    ctx.beginPath();
    ctx.moveTo(0, this.height);
    rates.forEach((rate, i) => {
      const y = this.height - (rate / most) * (this.height - 16);
      ctx.lineTo(i * wide, y);
      ctx.lineTo((i + 1) * wide, y);
    });
    ctx.lineTo(width, this.height);
    ctx.fill();
    ctx.stroke();
    label(ctx, "launches/s", 2, 8);
    label(ctx, `to ${number(most)}/s`, width - 2, 8, "right");
  },
  at(x, y, width) {
    const step = Math.max((view.to - view.from) * (3 / width), grid.bucket_ns), from = timeAt(x, width) - step / 2;
    const rate = (between(lane.launches, from, from + step) / step) * 1e9;
    return [`${count(rate)} launches/s`, `within ${duration(step)} of ${clock(from + step / 2, 1e5)}`];
  },
});

// The thing of a list under the pointer: the shortest of those there, else the nearest within a few pixels.
const pick = (list, x, width) => {
  const moment = timeAt(x, width), slack = timeAt(x + 3, width) - moment;
  const [first, last] = touching(list, moment - slack, moment + slack);
  let best = -1, least = Infinity;
  for (let i = first; i < last; i += 1) {
    if (list.end[i] < moment - slack) continue;
    const distance = Math.max(list.ts[i] - moment, moment - list.end[i], 0);
    const key = distance * 1e6 + (list.end[i] - list.ts[i]);
    if (key < least) { least = key; best = i; }
  }
  return best;
};

const shares = (names, kinds, x, width) => {
  const step = Math.max((view.to - view.from) / width, grid.bucket_ns), from = timeAt(x, width) - step / 2;
  const parts = names.map((name, i) => [name, between(kinds[i], from, from + step)]).filter(([, ns]) => ns > 0);
  parts.sort((a, b) => b[1] - a[1]);
  return [`within ${duration(step)} of ${clock(from + step / 2, 1e5)}`,
    ...parts.slice(0, 5).map(([name, ns]) => `${name} ${percent(ns, step)}`)];
};

// Draws single things if there is room for them; says whether it did.
const singles = (ctx, width, list, box) => {
  const [first, last] = touching(list, view.from, view.to);
  if (last - first > SINGLE) return false;
  for (let i = first; i < last; i += 1) {
    if (list.end[i] < view.from) continue;
    const x = Math.max(xOf(list.ts[i], width), -2);
    box(i, x, Math.max(Math.min(xOf(list.end[i], width), width + 2) - x, 1));
  }
  return true;
};

const marks = (ctx, width, list) => {
  ctx.fillStyle = colours.calls[4];
  const [first, last] = touching(list, view.from, view.to);
  for (let i = first; i < last; i += 1) {
    const x = xOf(list.ts[i], width);
    ctx.beginPath();
    ctx.moveTo(x - 4, STRIP - 8);
    ctx.lineTo(x + 4, STRIP - 8);
    ctx.lineTo(x, STRIP);
    ctx.fill();
  }
};

const callWords = (list, i) => [
  nameOf(list.op[i]),
  `${duration(list.end[i] - list.ts[i])} from ${clock(list.ts[i], 1e3)}`,
  list.kernel[i] ? `kernel ${nameOf(list.kernel[i] - 1)}` : null,
  list.first[i] ? "first use of this function" : null,
  list.off[i] > 0 ? `${duration(list.off[i])} of it off the CPU` : null,
];

const callsRow = (lane) => ({
  height: 48,
  words: `${lane.comm}: ${count(lane.calls.seen)} CUDA calls, ${count(lane.firstUses.seen)} first uses`,
  draw(canvas) {
    const { ctx, width } = pen(canvas, this.height);
    const top = STRIP, height = this.height - top - 1;
    gridLines(ctx, width, 0, this.height);
    holes(ctx, width, this.height, lane.node);
    const near = isNear(width);
    ctx.globalAlpha = near ? 0.22 : 1;
    stacked(ctx, width, top, height, lane.inCalls, colours.calls, [0, 1, 2, 3, 5, 4]);
    ctx.globalAlpha = 1;
    if (near || lane.calls.all) {
      singles(ctx, width, lane.calls, (i, x, wide) => {
        const tall = height - 4 - lane.calls.depth[i] * 7;
        ctx.fillStyle = colours.calls[lane.calls.kind[i]];
        ctx.fillRect(x, top + height - tall, Math.max(wide - (wide > 4 ? 0.6 : 0), 0.8), tall);
        ctx.fillStyle = colours.card;
        const kernel = lane.calls.kernel[i];
        inside(ctx, kernel ? nameOf(kernel - 1) : nameOf(lane.calls.op[i]), x, top + height - tall / 2, wide);
      });
    }
    label(ctx, "CUDA calls", 2, 6);
    marks(ctx, width, lane.firstUses);
  },
  at(x, y, width) {
    if (y < STRIP) {
      const first = pick(lane.firstUses, x, width);
      if (first >= 0) return callWords(lane.firstUses, first);
    }
    const i = pick(lane.calls, x, width);
    const here = ["time in calls", ...shares(grid.calls, lane.inCalls, x, width)];
    return i >= 0 && lane.calls.end[i] - lane.calls.ts[i] > (view.to - view.from) / width ? callWords(lane.calls, i) : here;
  },
});

const offWords = (list, i) => {
  const dur = list.end[i] - list.ts[i], state = grid.waits[list.wait[i]];
  const stack = data.stacks.stacks[list.stack[i]];
  return [
    `off the CPU: ${state}`,
    `${duration(dur)} from ${clock(list.ts[i], 1e3)}`,
    list.runqueue[i] > 0 && list.wait[i] !== 0 ? `${duration(list.runqueue[i])} of it runnable` : null,
    list.preemptor[i] ? `${nameOf(list.preemptor[i] - 1)} had the CPU` : null,
    list.waker[i] ? `woken by ${nameOf(list.waker[i] - 1)}` : null,
    stack ? telling(stack).slice(0, 4).join(" <- ") : null,
  ];
};

// Whether a bucket is wider than what single things need: then sums are only the background.
const isNear = (width) => (grid.bucket_ns / (view.to - view.from)) * width > 1.5;

// Whether every interval is there and near enough to be drawn by itself, without the sums.
const drawnAlone = (lane, width) => {
  const [first, last] = touching(lane.offCpu, view.from, view.to);
  return lane.offCpu.all && last - first <= SINGLE && isNear(width);
};

const offRow = (lane) => ({
  height: 38,
  words: `${lane.comm}: ${count(lane.offCpu.seen)} intervals off the CPU`,
  draw(canvas) {
    const { ctx, width } = pen(canvas, this.height);
    const top = STRIP, height = this.height - top - 1;
    gridLines(ctx, width, 0, this.height);
    holes(ctx, width, this.height, lane.node);
    const alone = drawnAlone(lane, width);
    ctx.globalAlpha = isNear(width) ? 0.35 : 1;
    if (!alone) stacked(ctx, width, top, height, lane.waits, colours.waits, [0, 1, 2, 3, 4, 6, 7, 5]);
    ctx.globalAlpha = 1;
    singles(ctx, width, lane.offCpu, (i, x, wide) => {
      if (wide < 3 && !alone) return;
      const list = lane.offCpu, runnable = list.wait[i] === 0 ? 0 : list.runqueue[i];
      const tail = Math.min((runnable / (view.to - view.from)) * width, wide);
      ctx.fillStyle = colours.waits[list.wait[i]];
      ctx.fillRect(x, top, wide - tail, height);
      ctx.fillStyle = colours.waits[0];
      ctx.fillRect(x + wide - tail, top, tail, height);
      ctx.fillStyle = list.wait[i] === 5 ? colours.text : colours.card;
      inside(ctx, list.preemptor[i] && list.wait[i] === 0 ? nameOf(list.preemptor[i] - 1) : grid.waits[list.wait[i]], x, top + height / 2, wide);
    });
    label(ctx, "off the CPU", 2, 6);
  },
  at(x, y, width) {
    const i = pick(lane.offCpu, x, width);
    return i >= 0 ? offWords(lane.offCpu, i) : ["on the CPU, or not recorded", ...shares(grid.waits, lane.waits, x, width)];
  },
});

const preemptorRow = (lane) => ({
  height: 31,
  words: `${lane.comm}: who had its CPU: ${lane.preempted.map((p) => `${nameOf(p.by)} ${duration(p.ns)}`).join(", ")}`,
  draw(canvas) {
    const { ctx, width } = pen(canvas, this.height);
    gridLines(ctx, width, 0, this.height);
    const order = lane.preempted.map((_, i) => i), paints = order.map((i) => colours.others[i % 8]);
    const list = lane.offCpu, alone = drawnAlone(lane, width), height = this.height - STRIP - 1;
    ctx.globalAlpha = isNear(width) ? 0.35 : 1;
    if (!alone) stacked(ctx, width, STRIP, height, lane.preempted.map((p) => p.sum), paints, order);
    ctx.globalAlpha = 1;
    singles(ctx, width, list, (i, x, wide) => {
      if (!list.preemptor[i]) return;
      if (alone || isNear(width)) {
        const who = lane.preempted.findIndex((p) => p.by === list.preemptor[i] - 1);
        const waited = list.wait[i] === 0 ? wide : Math.min((list.runqueue[i] / (view.to - view.from)) * width, wide);
        ctx.fillStyle = who < 0 ? colours.muted : paints[who];
        ctx.fillRect(x + wide - waited, STRIP, Math.max(waited, 0.8), height);
      }
      ctx.fillStyle = colours.card;
      inside(ctx, nameOf(list.preemptor[i] - 1), x, (STRIP + this.height) / 2, wide);
    });
    let x = 2;
    lane.preempted.slice(0, 4).forEach((p, i) => {
      const text = i === 0 ? `had its CPU: ${nameOf(p.by)}` : nameOf(p.by);
      label(ctx, text, x + 11, 6);
      ctx.fillStyle = colours.others[i % 8];
      ctx.fillRect(x, 2, 8, 8);
      x += ctx.measureText(text).width + 24;
    });
  },
  at(x, y, width) {
    const i = pick(lane.offCpu, x, width);
    if (i >= 0 && lane.offCpu.preemptor[i]) return offWords(lane.offCpu, i);
    return ["who had its CPU", ...shares(lane.preempted.map((p) => nameOf(p.by)), lane.preempted.map((p) => p.sum), x, width)];
  },
});
