//! What programs said of a time: from rows and texts to annotations.

use std::collections::BTreeMap;

use super::{clock::Clock, collect::Event, dictionary::Dictionary};
use crate::model::{Annotation, Sender};

/// Annotations whose text is known and is what a recorder writes, an object of JSON in which every value is a string; of
/// others nobody knows what was said.
pub(super) fn resolve(rows: &[Event], names: &Dictionary, clock: Clock) -> Vec<Annotation> {
    let said = rows.iter().filter_map(|Event { epoch, row }| {
        let labels = names.text(*epoch, row.stack)?;
        let _: BTreeMap<String, String> = serde_json::from_str(&labels).ok()?;
        let ts_ns = clock.unix(row.arg0);
        let dur_ns = i64::try_from(row.arg1).unwrap_or(i64::MAX).min(i64::MAX.saturating_sub(ts_ns));
        let sender = Some(Sender { pid: row.tid, uid: row.ret.cast_unsigned() });
        Some(Annotation { ts_ns, dur_ns, pid: Some(row.pid).filter(|pid| *pid != 0), labels, sender })
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::{
        load::{
            open_all,
            tests::{BEGIN, Draft, read, said},
        },
        model::Spool,
        progress::Progress,
    };

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_was_said_of_the_window_stands_in_it_whenever_it_was_told() {
        let mut draft = Draft::new(1);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 16 - 8));
        let mut half = said(6, 500, [500, 0], "{\"a\":\"never whole, for its first part is missing\"}");
        half.remove(0);
        let rows = [
            said(1, 500, [400, 100], "{\"request_id\":\"q17\"}"),
            said(2, 3 * SECOND, [SECOND / 2, 2 * SECOND], "{\"b\":\"told after the window\"}"),
            said(3, 3 * SECOND, [2 * SECOND, 0], "{\"c\":\"of a later time\"}"),
            said(4, 500, [500, 0], &long),
            said(5, 500, [500, 0], "{\"a\":1}"),
            half,
            said(7, 500, [u64::MAX - BEGIN, u64::MAX], "{\"a\":\"no time\"}"),
        ];
        draft.frames.push((rows.concat(), 0));
        let mut before = said(8, 500, [0, SECOND], "{\"d\":\"began before the window\"}");
        before.last_mut().unwrap().arg0 -= 2;
        before.last_mut().unwrap().pid = 0;
        draft.frames.push((before, 0));
        let trace = read(&draft);
        let told: Vec<_> = trace
            .annotations
            .iter()
            .map(|a| (a.ts_ns - trace.from_ns, a.dur_ns, a.pid, a.labels.as_str()))
            .collect();
        let second = SECOND as i64;
        assert_eq!(
            told,
            [
                (-2, second, None, "{\"d\":\"began before the window\"}"),
                (400, 100, Some(100), "{\"request_id\":\"q17\"}"),
                (500, 0, Some(100), long.as_str()),
                (second / 2, 2 * second, Some(100), "{\"b\":\"told after the window\"}"),
            ]
        );
        assert_eq!(trace.annotations[1].sender, Some(Sender { pid: 7, uid: u32::MAX - 1 }));
        assert!(trace.host_events.is_empty());
        assert!(trace.facts.damage.iter().any(|d| d.contains("1 rows with impossible times")));
    }

    #[test]
    fn annotations_of_two_windows_of_one_boot_are_taken_once() {
        let folder = TempDir::new().unwrap();
        let mut first = Draft::new(1);
        first.frames.push((said(1, 400, [400, 10], "{\"a\":\"1\"}"), 0));
        let mut second = first.clone();
        second.manifest.to_ns += SECOND;
        second.frames[0].0.extend(said(2, SECOND + 5, [SECOND, 5], "{\"a\":\"2\"}"));
        let paths = [first.write(&folder, "a.ingero"), second.write(&folder, "b.ingero")];
        let traces = open_all(&paths, &Spool::default(), &Progress::none()).unwrap();
        let labels: Vec<&str> = traces[0].annotations.iter().map(|a| a.labels.as_str()).collect();
        assert_eq!(labels, ["{\"a\":\"1\"}", "{\"a\":\"2\"}"]);
    }

    proptest! {
        #[test]
        fn whatever_rows_say_annotations_have_a_time_and_labels_of_text(
            rows in proptest::collection::vec((any::<[u64; 2]>(), any::<i32>(), "[{}\"a:,0\u{1}]{0,30}"), 0..20),
        ) {
            let mut draft = Draft::new(1);
            for (i, (at, ret, text)) in rows.iter().enumerate() {
                let mut said = said(i as u64, 5, [0, 0], text);
                let last = said.last_mut().unwrap();
                (last.arg0, last.arg1, last.ret) = (at[0], at[1], *ret);
                draft.frames.push((said, 0));
            }
            for annotation in read(&draft).annotations {
                prop_assert!(annotation.ts_ns.checked_add(annotation.dur_ns).is_some() && annotation.dur_ns >= 0);
                prop_assert!(serde_json::from_str::<BTreeMap<String, String>>(&annotation.labels).is_ok());
            }
        }
    }
}
