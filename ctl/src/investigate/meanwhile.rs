//! What programs said of the time of a finding: requests and steps that were under way. They stand beside the evidence
//! and are none: that two things happened at the same time shows no cause.

use serde_json::{Value, json};

use super::Finding;
use crate::model::{Annotation, Trace};

/// Key in a finding's evidence.
pub const KEY: &str = "at_the_same_time";
/// Most spans that are named.
const MOST: usize = 8;

/// Adds to each finding the spans that overlap it, those longest that overlap most.
pub(super) fn tell(findings: &mut [Finding], trace: &Trace) {
    let spans: Vec<&Annotation> =
        trace.annotations.iter().filter(|a| a.dur_ns > 0 && a.sender.is_some()).collect();
    if spans.is_empty() {
        return;
    }
    for finding in findings {
        let within = |a: &Annotation| {
            let end_ns = a.ts_ns.saturating_add(a.dur_ns).min(finding.to_ns);
            end_ns.saturating_sub(a.ts_ns.max(finding.from_ns))
        };
        let mut overlapping: Vec<(i64, &Annotation)> =
            spans.iter().map(|a| (within(a), *a)).filter(|(ns, _)| *ns > 0).collect();
        overlapping.sort_by(|(a, x), (b, y)| (b, x.ts_ns, &x.labels).cmp(&(a, y.ts_ns, &y.labels)));
        let count = overlapping.len();
        if let Value::Object(evidence) = &mut finding.evidence
            && count > 0
        {
            let spans: Vec<Value> = overlapping.iter().take(MOST).map(|(ns, a)| span(*ns, a)).collect();
            evidence.insert(KEY.to_owned(), json!({"count": count, "spans": spans}));
        }
    }
}

fn span(overlap_ns: i64, a: &Annotation) -> Value {
    let labels: Value = serde_json::from_str(&a.labels).unwrap_or_default();
    json!({"ts_ns": a.ts_ns, "dur_ns": a.dur_ns, "overlap_ns": overlap_ns, "pid": a.pid, "labels": labels})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commands::tests::incident,
        explain::{Question, answer, text},
        load::tests::{read, said},
    };

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn requests_under_way_during_a_finding_are_named_beside_it_and_not_as_its_cause() {
        let plain = answer(vec![read(&incident())], &Question::default()).unwrap();
        let mut draft = incident();
        let label = |n: u64| format!("{{\"request_id\":\"q{n}\\u001b[2J\"}}");
        let request = |n: u64| said(n, 9 * SECOND, [n * SECOND / 10, 9 * SECOND - n], &label(n));
        draft.frames.push(((0..12).flat_map(request).collect(), 0));
        draft.frames.push((said(20, 9 * SECOND, [SECOND, 0], "{\"step\":\"1\"}"), 0));
        let said = answer(vec![read(&draft)], &Question::default()).unwrap();
        let (before, first) = (&plain.findings[0], &said.findings[0]);
        let beside = &first.evidence[KEY];
        assert_eq!(beside["count"], 12, "{beside}");
        let spans = beside["spans"].as_array().unwrap();
        assert_eq!(spans.len(), MOST);
        assert!(spans.windows(2).all(|w| w[0]["overlap_ns"].as_i64() >= w[1]["overlap_ns"].as_i64()));
        assert_eq!((&first.cause, &first.summary), (&before.cause, &before.summary));
        assert_eq!(first.attributed_ns, before.attributed_ns);
        let mut shown = Vec::new();
        text::finding(first, &said, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        let line = shown.lines().find(|l| l.contains("meanwhile")).unwrap();
        assert!(
            line.contains("request_id=q0") && line.contains("of 12") && line.contains("no cause"),
            "{line}"
        );
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
}
