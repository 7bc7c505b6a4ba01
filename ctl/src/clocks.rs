//! Which times of several bundles can be compared, in words.
//!
//! Events are stamped with the boottime of their machine. Each bundle has one reading of both clocks, which turns
//! boottime into Unix time. Within a boot all times are exact to each other. Between machines they are only as good
//! as their wall clocks, and how far these differ no bundle measures.

use crate::{
    model::{Clocks, Trace},
    time,
};

/// What to know before times of these traces are compared; nothing for one bundle alone.
#[must_use]
pub fn statements(traces: &[Trace]) -> Vec<String> {
    let bundles: usize = traces.iter().map(|t| t.facts.clocks.len()).sum();
    if traces.len() < 2 && bundles < 2 {
        return Vec::new();
    }
    let mut out: Vec<String> = traces.iter().flat_map(of_node).collect();
    if traces.len() > 1 {
        let nodes: Vec<&str> = traces.iter().map(|t| t.node.as_str()).collect();
        out.push(format!(
            "{}: how far their wall clocks differ was not measured; compare durations, rates and the order of \
             events within each, not the order of events of two; nothing is attributed from one to another",
            nodes.join(", ")
        ));
    }
    out
}

fn of_node(trace: &Trace) -> Vec<String> {
    let node = &trace.node;
    let reading = |c: &Clocks| {
        format!(
            "{node}: snapshot {}: Unix time is boottime and {} ns, both read within {}",
            c.snapshot,
            c.offset_ns,
            time::duration(c.uncertainty_ns.min(i64::MAX.unsigned_abs()).cast_signed())
        )
    };
    let mut out: Vec<String> = trace.facts.clocks.iter().map(reading).collect();
    if let [first, .., last] = trace.facts.clocks.as_slice() {
        let moved = last.offset_ns.saturating_sub(first.offset_ns);
        let known = first.uncertainty_ns.saturating_add(last.uncertainty_ns);
        let wall = if moved.unsigned_abs() > known {
            format!("its wall clock was moved by {moved} ns between the first and the last")
        } else {
            "their readings agree".to_owned()
        };
        out.push(format!(
            "{node}: its {} snapshots are of one boot and placed by the first one's reading, so their times compare \
             exactly; {wall}",
            trace.facts.clocks.len()
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(node: &str, offsets: &[i64]) -> Trace {
        let reading = |o: &i64| Clocks { snapshot: format!("s{o}"), offset_ns: *o, uncertainty_ns: 1_000 };
        let mut trace = Trace { node: node.into(), ..Trace::default() };
        trace.facts.clocks = offsets.iter().map(reading).collect();
        trace
    }

    #[test]
    fn one_bundle_needs_no_word_and_two_nodes_are_told_apart() {
        assert_eq!(statements(&[trace("alpha", &[5])]), Vec::<String>::new());
        let said = statements(&[trace("alpha", &[5]), trace("beta", &[7_000])]);
        assert_eq!(said.len(), 3);
        assert_eq!(said[0], "alpha: snapshot s5: Unix time is boottime and 5 ns, both read within 1.00 us");
        assert!(
            said[2].starts_with("alpha, beta: how far their wall clocks differ was not measured"),
            "{said:?}"
        );
    }

    #[test]
    fn windows_of_one_boot_compare_exactly_and_a_step_of_the_wall_clock_between_them_is_told() {
        let said = statements(&[trace("alpha", &[5, 900])]);
        assert!(said[2].ends_with("their readings agree"), "{said:?}");
        let said = statements(&[trace("alpha", &[5, 700, 9_000_000])]);
        assert!(said[3].contains("its 3 snapshots") && said[3].contains("moved by 8999995 ns"), "{said:?}");
    }
}
