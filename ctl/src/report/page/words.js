// Numbers and elements as people read them.

const el = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "text") made.textContent = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
};

const byId = (id) => document.getElementById(id);

const significant = (value) => {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
};

// As `ingeroctl` writes it: three digits and a unit.
const duration = (ns) => {
  const size = Math.abs(ns), sign = ns < 0 ? "-" : "";
  if (size < 1e3) return `${sign}${Math.round(size)} ns`;
  if (size < 999.5e3) return `${sign}${significant(size / 1e3)} us`;
  if (size < 999.5e6) return `${sign}${significant(size / 1e6)} ms`;
  if (size < 120e9) return `${sign}${significant(size / 1e9)} s`;
  if (size < 7200e9) return `${sign}${significant(size / 60e9)} min`;
  return `${sign}${significant(size / 3600e9)} h`;
};

const count = (n) => Math.round(Number(n)).toLocaleString("en-US");

const percent = (part, whole) => {
  if (!(whole > 0)) return "";
  const share = (100 * part) / whole;
  return share > 0 && share < 0.005 ? "< 0.01 %" : `${significant(share)} %`;
};

const number = (value) => {
  const size = Math.abs(value);
  if (size >= 1e9) return `${significant(value / 1e9)} G`;
  if (size >= 1e6) return `${significant(value / 1e6)} M`;
  if (size >= 1e4) return `${significant(value / 1e3)} k`;
  if (Number.isInteger(value)) return String(value);
  return size >= 0.01 ? value.toFixed(size >= 100 ? 0 : 2) : value.toPrecision(2);
};

const DAY_NS = 86400e9;

// Clock time (UTC) of a moment, with as many digits as a step needs.
const clockAt = (dayNs, at, stepNs) => {
  const ns = (((dayNs + Math.round(at)) % DAY_NS) + DAY_NS) % DAY_NS;
  const seconds = Math.floor(ns / 1e9);
  const two = (n) => String(n).padStart(2, "0");
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(stepNs / 1e9) - 1e-9)));
  const rest = String(Math.floor(ns % 1e9)).padStart(9, "0").slice(0, digits);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return digits ? `${clock}.${rest}` : clock;
};
