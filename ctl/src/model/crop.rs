//! A part of a window.

use super::Trace;

impl Trace {
    /// Keeps the events that touch `[from_ns, to_ns)`, Unix ns, and narrows the window to it.
    pub fn crop(&mut self, from_ns: i64, to_ns: i64) {
        let touches = |ts: i64, dur: i64| ts < to_ns && (ts + dur > from_ns || ts >= from_ns);
        self.calls.retain(|c| touches(c.ts_ns, c.dur_ns));
        self.off_cpu.retain(|o| touches(o.ts_ns, o.dur_ns));
        self.host_events.retain(|h| touches(h.ts_ns, h.dur_ns));
        self.annotations.retain(|a| touches(a.ts_ns, a.dur_ns));
        self.samples.retain(|s| (from_ns..to_ns).contains(&s.ts_ns));
        self.losses.retain(|l| touches(l.from_ns, l.to_ns - l.from_ns));
        self.from_ns = self.from_ns.max(from_ns);
        self.to_ns = self.to_ns.min(to_ns).max(self.from_ns);
    }
}
