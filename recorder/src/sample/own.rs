//! What the recorder itself takes, so that an analysis can tell its share from others'.

use std::sync::atomic::Ordering::Relaxed;

use ingero_format::names::{ANNOTATIONS_KEPT, ANNOTATIONS_REFUSED};

use super::{Readings, text};
use crate::{annotate::Counts, clock, kernel::number, progress::Progress};

pub(super) fn read(progress: &Progress, annotations: &Counts, readings: &mut Readings) {
    readings.add(ANNOTATIONS_KEPT, &[], annotations.kept() as f64);
    for (why, count) in annotations.refused().filter(|(_, count)| *count > 0) {
        readings.add(ANNOTATIONS_REFUSED, &[("reason", why.name())], count as f64);
    }
    readings.add("ingero_recorder_cpu_seconds_total", &[], clock::process_cpu_ns() as f64 / 1e9);
    memory(&text("/proc/self/status"), readings);
    let io = text("/proc/self/io");
    readings.maybe(
        "ingero_recorder_written_bytes_total",
        &[],
        number(&io, "write_bytes").map(|bytes| bytes as f64),
    );
    readings.add("ingero_recorder_events_stored_total", &[], progress.stored.load(Relaxed) as f64);
    readings.add("ingero_recorder_events_lost_total", &[], progress.lost_total() as f64);
}

fn memory(status: &str, readings: &mut Readings) {
    for (key, name) in
        [("VmRSS", "ingero_recorder_resident_bytes"), ("RssAnon", "ingero_recorder_anonymous_bytes")]
    {
        readings.maybe(name, &[], number(status, key).map(|kib| (kib * 1024) as f64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Refusal;

    #[test]
    fn cpu_time_and_memory_of_this_process_are_read() {
        let mut readings = Readings::default();
        let counts = Counts::default();
        counts.refuse(Refusal::Key);
        read(&Progress::default(), &counts, &mut readings);
        let found: Vec<(String, f64)> = readings.into_iter().collect();
        for name in [
            "ingero_recorder_cpu_seconds_total",
            "ingero_recorder_anonymous_bytes",
            "ingero_recorder_annotations_refused_total{reason=\"key\"}",
        ] {
            assert!(found.iter().any(|(n, v)| n == name && *v > 0.0), "{name} in {found:?}");
        }
    }
}
