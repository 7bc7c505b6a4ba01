//! What must be known of all rows before the first is written.

use std::{collections::BTreeMap, convert::Infallible};

use super::{
    keys::{Fit, Keys},
    timeline,
};
use crate::model::{HostEvent, Trace};

/// See [`Survey::of`].
pub(super) struct Survey<'a> {
    /// Which operations there are.
    seen: Vec<bool>,
    /// Task states and their names.
    pub states: BTreeMap<i32, &'static str>,
    /// Node and event, by time.
    pub host: Vec<(usize, &'a HostEvent)>,
    /// Rows of the big tables.
    pub rows: u64,
    fit: Fit,
}

impl<'a> Survey<'a> {
    /// Goes through all events by time.
    pub fn of(traces: &'a [Trace]) -> Self {
        let host = |(node, trace): (usize, &'a Trace)| trace.host_events.iter().map(move |h| (node, h));
        let mut survey = Self {
            seen: vec![false; usize::from(u16::MAX) + 1],
            states: BTreeMap::new(),
            host: traces.iter().enumerate().flat_map(host).collect(),
            rows: 0,
            fit: Fit::default(),
        };
        // Stable: each node's own lie in order already.
        survey.host.sort_by_key(|(node, h)| (h.ts_ns, *node));
        survey.calls(traces);
        survey.off_cpu(traces);
        survey.fit.begin_table();
        for i in 0..survey.host.len() {
            if let Some((_, h)) = survey.host.get(i).copied() {
                survey.op(h.op);
                survey.row(h.ts_ns);
            }
        }
        survey
    }

    /// How keys are made; `None` if times lie too far apart for them.
    pub fn keys(&self) -> Option<Keys> {
        self.fit.keys()
    }

    /// Operations by number.
    pub fn ops(&self) -> impl Iterator<Item = u16> + '_ {
        (0..=u16::MAX).zip(&self.seen).filter(|(_, seen)| **seen).map(|(op, _)| op)
    }

    fn calls(&mut self, traces: &[Trace]) {
        self.fit.begin_table();
        let Ok(()) = timeline::calls(traces).visit::<Infallible>(|_, call| {
            self.op(call.op);
            self.row(call.ts_ns);
            Ok(())
        });
    }

    fn off_cpu(&mut self, traces: &[Trace]) {
        self.fit.begin_table();
        let mut last = None;
        let Ok(()) = timeline::off_cpu(traces).visit::<Infallible>(|_, off| {
            if last.replace(off.state) != Some(off.state) {
                self.states.insert(off.state, off.state_bits_name());
            }
            self.row(off.ts_ns);
            Ok(())
        });
    }

    fn op(&mut self, op: u16) {
        self.seen.iter_mut().skip(usize::from(op)).take(1).for_each(|seen| *seen = true);
    }

    fn row(&mut self, ts_ns: i64) {
        self.rows += 1;
        self.fit.take(ts_ns);
    }
}
