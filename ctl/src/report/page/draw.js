// Canvases with sharp lines, in the colours of the style sheet.

let colours = {};

const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["text", "muted", "line", "soft", "card", "accent", "high", "medium", "low", "loss", "curve", "fill"];
  colours = Object.fromEntries(names.map((name) => [name, named(name)]));
  colours.calls = grid.calls.map((_, i) => named(`call-${i}`));
  colours.waits = grid.waits.map((_, i) => named(`wait-${i}`));
  colours.others = ["call-0", "call-2", "call-3", "wait-1", "wait-4", "wait-2", "call-1", "call-5"].map(named);
};

const FONT = '11px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';

// Makes a canvas ready and gives its pen and width, in CSS pixels.
const pen = (canvas, height) => {
  const scale = window.devicePixelRatio || 1;
  const width = Math.max(canvas.clientWidth, 1);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, width, height);
  ctx.font = FONT;
  ctx.textBaseline = "middle";
  return { ctx, width };
};

const xOf = (at, width) => ((at - view.from) / (view.to - view.from)) * width;
const timeAt = (x, width) => view.from + (x / width) * (view.to - view.from);

// Text with room around it, so that it can be read on anything.
const label = (ctx, text, x, y, align = "left") => {
  const wide = ctx.measureText(text).width;
  const left = align === "right" ? x - wide : x;
  ctx.globalAlpha = 0.8;
  ctx.fillStyle = colours.card;
  ctx.fillRect(left - 2, y - 7, wide + 4, 14);
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.muted;
  ctx.fillText(text, left, y);
};

// Text inside a box, cut to fit; none if nothing of it would be read.
const inside = (ctx, text, x, y, room) => {
  if (room < 40) return;
  let shown = text;
  const most = Math.ceil(room / 4);
  if (shown.length > most) shown = shown.slice(0, most);
  while (shown.length > 2 && ctx.measureText(shown).width > room - 6) shown = shown.slice(0, -2);
  if (shown.length > 2) ctx.fillText(shown === text ? shown : `${shown.slice(0, -1)}\u2026`, x + 3, y);
};

const STEPS = [1, 2, 5];
// Beyond ten seconds, steps that a clock has.
const LONG_STEPS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400].map((s) => s * 1e9);

// Length of a step of the axis so that labels have room.
const stepFor = (width) => {
  const least = ((view.to - view.from) / Math.max(width, 1)) * 118;
  const long = LONG_STEPS.find((step) => step >= least);
  if (least > 10e9 && long) return long;
  let power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  for (;;) {
    const step = STEPS.find((s) => s * power >= least);
    if (step) return step * power;
    power *= 10;
  }
};

const ticks = (width) => {
  const step = stepFor(width);
  const offset = dayNs % step;
  const list = [];
  for (let at = Math.ceil((view.from + offset) / step) * step - offset; at <= view.to; at += step) list.push(at);
  return { step, list };
};

const gridLines = (ctx, width, top, height) => {
  ctx.fillStyle = colours.line;
  for (const at of ticks(width).list) ctx.fillRect(Math.round(xOf(at, width)), top, 1, height);
};

// Times in which events of a machine are missing.
const holes = (ctx, width, height, node) => {
  ctx.fillStyle = colours.loss;
  ctx.globalAlpha = 0.16;
  for (const loss of losses) {
    if ((node && loss.node !== node) || loss.to < view.from || loss.from > view.to) continue;
    const x = xOf(loss.from, width);
    ctx.fillRect(x, 0, Math.max(xOf(loss.to, width) - x, 1.5), height);
  }
  ctx.globalAlpha = 1;
};

// Shares of time, a number for each pixel. Weighted with their neighbours, or what comes and goes about as often
// as pixels do would draw patterns that are not there; not where a pixel is finer than what is known.
const shareOf = (sum, width) => {
  const span = (view.to - view.from) / width, out = new Float64Array(width);
  const smooth = span > grid.bucket_ns;
  let before = between(sum, view.from - span, view.from) / span, here = between(sum, view.from, view.from + span) / span;
  for (let x = 0; x < width; x += 1) {
    const from = view.from + (x + 1) * span, after = between(sum, from, from + span) / span;
    out[x] = smooth ? (before + 2 * here + after) / 4 : here;
    before = here;
    here = after;
  }
  return out;
};

// Shares of time by kind, one above the other.
const stacked = (ctx, width, top, height, kinds, paints, order) => {
  const whole = Math.ceil(width), shares = kinds.map((sum) => (isEmpty(sum) ? null : shareOf(sum, whole)));
  for (let x = 0; x < whole; x += 1) {
    let y = top + height;
    for (const kind of order) {
      const share = shares[kind] ? Math.min(1, shares[kind][x]) : 0;
      if (share <= 0) continue;
      const tall = Math.max(share * height, 0.75);
      ctx.fillStyle = paints[kind];
      ctx.fillRect(x, Math.max(y - tall, top), 1, tall);
      y -= tall;
    }
  }
};
