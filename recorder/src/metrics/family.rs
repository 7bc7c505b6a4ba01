//! Every family of metrics that is told, whoever takes it.

/// What kind of number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, from the recorder's start or, of a process, since it is counted.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in buckets; rises likewise.
    Histogram,
}

/// In what a family counts or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share, 1 for the whole.
    Ratio,
}

impl Unit {
    /// As it ends a name.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Ratio => Some("ratio"),
        }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name without unit and `_total`.
    pub stem: &'static str,
    /// In what it counts or measures.
    pub unit: Unit,
    /// What kind of number.
    pub kind: Kind,
    /// One sentence for people: the family's `HELP`.
    pub help: &'static str,
}

impl About {
    /// The name with its unit, and a counter's `_total`.
    #[must_use]
    pub fn name(&self) -> String {
        let unit = self.unit.name().map_or(String::new(), |unit| format!("_{unit}"));
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.stem)
    }
}

/// A number, or numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Things counted.
    Count(u64),
    /// A quantity.
    Number(f64),
    /// Durations in buckets.
    Buckets {
        /// Upper bounds, s, rising.
        bounds: Vec<f64>,
        /// How many lie between each bound and the one before, and above all: one more than bounds.
        counts: Vec<u64>,
        /// Sum of all, s.
        sum: f64,
    },
}

/// A value and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
    /// Since when it rises, Unix ns; of a gauge nothing.
    pub since_ns: u64,
}

/// A family with its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// What it is.
    pub about: &'static About,
    /// Its points, no two of the same labels.
    pub points: Vec<Point>,
}

macro_rules! families {
    ($($constant:ident = $kind:ident $unit:ident $stem:literal $help:literal;)*) => {
        $(
            #[doc = concat!("`", $help, "`")]
            pub const $constant: &About = &About { stem: $stem, unit: Unit::$unit, kind: Kind::$kind, help: $help };
        )*
        /// Every family.
        pub const ALL: &[&About] = &[$($constant),*];
    };
}

families! {
    BUILD_INFO = Gauge None "ingero_recorder_build_info" "Always 1; the version is a label.";
    START_TIME = Gauge Seconds "ingero_recorder_start_time" "When the recorder was started, Unix time.";
    WARNINGS = Gauge None "ingero_recorder_warnings" "Things that are not as they should be; `ingeroctl status` says them in words.";
    PROCESSES = Gauge None "ingero_recorder_processes" "Processes that are recorded.";
    COUNTED = Gauge None "ingero_recorder_counted_processes" "Processes that are counted one by one here, ended ones for five minutes.";
    HELD = Gauge Seconds "ingero_recorder_held" "Past that the ring holds.";
    DRAIN_LAG = Gauge Seconds "ingero_recorder_drain_lag" "Age of the newest moment up to which every event was taken from the kernel.";
    RING_BYTES = Gauge Bytes "ingero_recorder_ring" "Bytes on disk of ring, frozen windows and bundles.";
    RING_MAX = Gauge Bytes "ingero_recorder_ring_max" "The bound on them, [ring] max_bytes.";
    SEGMENTS = Gauge None "ingero_recorder_ring_segments" "Segments in the ring.";
    PRODUCED = Counter None "ingero_recorder_events_produced" "Events that the kernel side has numbered.";
    STORED = Counter None "ingero_recorder_events_stored" "Events put into the ring.";
    LOST = Counter None "ingero_recorder_events_lost" "Events that could not be kept.";
    EVICTED = Counter None "ingero_recorder_events_evicted" "Events removed with the oldest segments.";
    STACKS_LOST = Counter None "ingero_recorder_stacks_lost" "Kernel stacks that could not be stored.";
    NAMES_LOST = Counter None "ingero_recorder_names_lost" "Names of kernels that could not be stored.";
    ANNOTATIONS_KEPT = Counter None "ingero_recorder_annotations_kept" "Annotations of programs that were recorded.";
    ANNOTATIONS_REFUSED = Counter None "ingero_recorder_annotations_refused" "Annotations that were not, by reason.";
    BYTES_PER_EVENT = Gauge None "ingero_recorder_bytes_per_event" "Mean bytes on disk of an event, of the segments written since the start.";
    CPU = Counter Seconds "ingero_recorder_cpu" "CPU time of the recorder.";
    RESIDENT = Gauge Bytes "ingero_recorder_resident" "Resident memory of the recorder, with the kernel's buffer that it maps twice.";
    ANONYMOUS = Gauge Bytes "ingero_recorder_anonymous" "Resident memory of the recorder without file pages.";
    WRITTEN = Counter Bytes "ingero_recorder_written" "Bytes that the recorder had the kernel write to disks.";
    THREAD_COST = Gauge Ratio "ingero_recorder_thread_cost" "Estimated share of its time that the busiest recorded thread spends in probes.";
    THREAD_COST_LIMIT = Gauge Ratio "ingero_recorder_thread_cost_limit" "The bound on it, [budget] thread_percent.";
    SNAPSHOTS = Counter None "ingero_recorder_snapshots" "Snapshots by what became of them: taken, failed, or coalesced with another.";
    SNAPSHOTS_HELD = Gauge None "ingero_recorder_snapshots_held" "Snapshots on disk.";
    TRIGGER_ARMED = Gauge None "ingero_recorder_trigger_armed" "1 if the trigger may fire.";
    TRIGGER_ASKED = Counter None "ingero_recorder_trigger_asked" "Questions of a trigger for a snapshot; fired, joined and refused ones add up to them.";
    TRIGGER_FIRED = Counter None "ingero_recorder_trigger_fired" "Questions that led to a snapshot of their own.";
    TRIGGER_COALESCED = Counter None "ingero_recorder_trigger_coalesced" "Questions that joined a snapshot under way.";
    TRIGGER_REFUSED = Counter None "ingero_recorder_trigger_refused" "Questions that led to none, by reason.";
    EXPORTS = Counter None "ingero_recorder_otlp_exports" "Exports over OTLP by result: ok, partial, failed.";
    PROBED = Gauge None "ingero_probed_functions" "Functions probed in the libraries that a recorded process maps.";
    CALLS = Counter None "ingero_cuda_calls" "Calls recorded, by operation.";
    LAUNCHES = Counter None "ingero_launches" "Kernels and graphs launched, each once.";
    LAUNCH_DURATION = Histogram Seconds "ingero_launch_duration" "Time that launching calls took on the CPU's side.";
    SYNC_DURATION = Histogram Seconds "ingero_sync_duration" "Time that synchronising calls took.";
    OFF_CPU = Histogram Seconds "ingero_off_cpu" "Intervals for which threads did not run, by the state they left the CPU in.";
    RUNQUEUE = Counter Seconds "ingero_runqueue" "Time for which threads could have run and had no CPU.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_say_their_unit_and_are_of_the_characters_that_prometheus_takes() {
        let names: BTreeSet<String> = ALL.iter().map(|about| about.name()).collect();
        assert_eq!(names.len(), ALL.len());
        for name in &names {
            assert!(
                name.starts_with("ingero_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
        assert!(
            names.contains("ingero_recorder_cpu_seconds_total") && names.contains("ingero_off_cpu_seconds")
        );
        assert!(ALL.iter().all(|about| about.help.ends_with('.') && !about.help.contains('\n')));
    }

    #[test]
    fn every_family_is_documented_and_nothing_else_is() {
        let text = include_str!("../../../docs/METRICS.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `ingero_")?.split('`').next());
        let documented: Vec<String> = rows.map(|name| format!("ingero_{name}")).collect();
        let told: Vec<String> = ALL.iter().map(|about| about.name()).collect();
        assert_eq!(documented, told);
    }
}
