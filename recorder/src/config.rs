//! The configuration file: TOML, every size and time with its unit, unknown keys refused.

mod access;
mod annotations;
mod metrics;
mod samples;
mod triggers;
mod written;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use ingero_format::units::{hex, parse_size_bytes, parse_time_ns};
use serde::{Deserialize, Deserializer, Serialize, de};
use sha2::{Digest, Sha256};

pub use access::{Listen, TokenPlace};
pub use annotations::{AnnotationConfig, AnnotationListen, Mode};
pub use metrics::{Metrics, Otlp};
pub use samples::Samples;
pub use triggers::{
    OomKill, PredicateTrigger, ProcessTrigger, SignalTrigger, Statistic, TriggerConfig, TtftTrigger,
    WebhookTrigger,
};

use crate::{
    Error, Result,
    limits::{MAX_AFTER_NS, MAX_WINDOW_NS},
};

/// Which CUDA layers are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layers {
    /// libcuda: every call once, also of statically linked runtimes.
    #[default]
    Driver,
    /// libcudart.
    Runtime,
    /// Both; a runtime call then holds its driver calls.
    Both,
}

/// A source that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceName {
    /// CUDA calls.
    Cuda,
    /// Off-CPU intervals.
    Sched,
    /// Process life; always recorded, since threads cannot be followed without it.
    Process,
    /// Page allocations of recorded threads, reclaim they had to do, OOM kills.
    Memory,
    /// Disk requests of recorded threads.
    Block,
    /// Signals that stop, continue or end recorded threads.
    Signal,
    /// Calls of NCCL: on request.
    Nccl,
    /// TCP segments sent again, host-wide: on request.
    Tcp,
    /// Page faults of recorded threads: on request.
    Faults,
    /// Moves of recorded threads from CPU to CPU: on request.
    Migrate,
}

/// When user stacks are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserStacks {
    /// Not at all.
    Never,
    /// For slow calls, from [`SLOW_NS`](crate::limits::SLOW_NS) on, and not too many.
    #[default]
    Slow,
    /// For every call.
    Always,
}

/// Whether the ends of calls are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReturnProbes {
    /// If a test at start shows that programs under a seccomp filter survive it.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// No: calls have no duration.
    Never,
}

/// `[budget]`: what recording may cost.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Most of a recorded thread's time, percent; 100 means no limit.
    pub thread_percent: f64,
    /// Most of one core for the recorder, percent; 100 means no limit.
    pub daemon_percent: f64,
    /// How long there must have been room before a step is taken back, ns.
    pub recover_after: Nanos,
}

impl Default for Budget {
    fn default() -> Self {
        Self { thread_percent: 2.0, daemon_percent: 1.0, recover_after: Nanos(30_000_000_000) }
    }
}

/// A size in bytes, written like `4GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A time in ns, written like `60s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nanos(pub u64);

// Reads a text; `what` is what a value of another type is told to be.
fn text<'de, D: Deserializer<'de>, T, E: fmt::Display>(
    deserializer: D,
    what: &'static str,
    parse: impl Fn(&str) -> std::result::Result<T, E>,
) -> std::result::Result<T, D::Error> {
    deserializer.deserialize_str(Meaning(what, parse))
}

struct Meaning<F>(&'static str, F);

impl<T, E: fmt::Display, F: Fn(&str) -> std::result::Result<T, E>> de::Visitor<'_> for Meaning<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<Fault: de::Error>(self, text: &str) -> std::result::Result<T, Fault> {
        (self.1)(text).map_err(Fault::custom)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        text(deserializer, "a size with its unit, like \"4GiB\"", |t| parse_size_bytes(t).map(Self))
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        text(deserializer, "a time with its unit, like \"60s\"", |t| parse_time_ns(t).map(Self))
    }
}

/// `[ring]`: how much is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ring {
    /// Bound on everything below the state directory, allocated bytes.
    pub max_bytes: Bytes,
    /// Segments older than this, ns, counted back from the newest event, go.
    pub max_age: Nanos,
    /// Free space left to others on the file system, bytes.
    pub keep_free: Bytes,
    /// Time between two times at which written frames are made durable, ns.
    pub sync_interval: Nanos,
    /// Size of a segment, bytes.
    pub segment_bytes: Bytes,
    /// Unit that times are rounded down to, ns; 1 ns loses nothing, 16 ns saves about a byte an event.
    pub tick: Nanos,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            max_bytes: Bytes(4 << 30),
            max_age: Nanos(24 * 3_600_000_000_000),
            keep_free: Bytes(2 << 30),
            sync_interval: Nanos(1_000_000_000),
            segment_bytes: Bytes(16 << 20),
            tick: Nanos(1),
        }
    }
}

/// `[probes]`: what is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probes {
    /// Which libraries are probed.
    pub layers: Layers,
    /// What is recorded.
    pub sources: Vec<SourceName>,
    /// Take kernel stacks of blocked threads.
    pub kernel_stacks: bool,
    /// Take user stacks.
    pub user_stacks: UserStacks,
    /// Probe the ends of calls.
    pub return_probes: ReturnProbes,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            layers: Layers::Driver,
            sources: vec![
                SourceName::Cuda,
                SourceName::Sched,
                SourceName::Process,
                SourceName::Memory,
                SourceName::Block,
                SourceName::Signal,
            ],
            kernel_stacks: true,
            user_stacks: UserStacks::Slow,
            return_probes: ReturnProbes::Auto,
        }
    }
}

/// `[snapshot]`: windows that are frozen, and the bundles they become.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshot {
    /// Past kept when a trigger names no window, ns.
    pub last: Nanos,
    /// Time recorded beyond the trigger, ns.
    pub after: Nanos,
    /// Most snapshots an hour by triggers other than a command.
    pub max_per_hour: u32,
    /// Part of `[ring] max_bytes` for snapshots, bytes; the oldest that are not pinned go first.
    pub max_bytes: Bytes,
    /// Snapshots whose window ended longer ago than this, ns, go, but for pinned ones.
    pub max_age: Nanos,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            last: Nanos(60_000_000_000),
            after: Nanos(2_000_000_000),
            max_per_hour: 12,
            max_bytes: Bytes(2 << 30),
            max_age: Nanos(30 * 24 * 3_600_000_000_000),
        }
    }
}

/// Which file is read, at start and at each reload.
#[derive(Clone, Debug)]
pub enum ConfigFile {
    /// Somebody named it: it must be there.
    Named(PathBuf),
    /// It need not be there.
    Default(PathBuf),
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[ring]`
    pub ring: Ring,
    /// `[probes]`
    pub probes: Probes,
    /// `[snapshot]`
    pub snapshot: Snapshot,
    /// `[budget]`
    pub budget: Budget,
    /// `[samples]`
    pub samples: Samples,
    /// `[annotations]`
    pub annotations: AnnotationConfig,
    /// `[trigger.…]`
    pub trigger: TriggerConfig,
    /// `[metrics]`
    pub metrics: Metrics,
    /// SHA-256 of the text this was read from, hexadecimal.
    #[serde(skip)]
    pub digest: String,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Config`] in one line: file, line, what is wrong, what is allowed.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::Config(format!("{}: cannot read the configuration: {e}; check --config", path.display()))
        })?;
        Self::parse(&text).map_err(|e| Error::Config(format!("{}: {e}", path.display())))
    }

    /// Reads what was named, or the default file if it exists; the defaults otherwise.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_file(file: &ConfigFile) -> Result<Self> {
        match file {
            ConfigFile::Named(path) => Self::read(path),
            ConfigFile::Default(path) if path.exists() => Self::read(path),
            ConfigFile::Default(_) => Self::parse("").map_err(Error::Config),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// One line naming the line number and the allowed values.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut config: Self = toml::from_str(text)
            .map_err(|e| format!("line {}: {}", line_of(text, &e), e.message().replace('\n', " ")))?;
        config.check()?;
        config.digest = hex(&Sha256::digest(text));
        Ok(config)
    }

    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        for (name, percent) in
            [("thread_percent", self.budget.thread_percent), ("daemon_percent", self.budget.daemon_percent)]
        {
            if !(0.01..=100.0).contains(&percent) {
                return Err(format!("[budget] {name}: {percent} is not between 0.01 and 100"));
            }
        }
        let ring = &self.ring;
        let segment = ring.segment_bytes.0;
        if !(1 << 20..=1 << 30).contains(&segment) || !segment.is_multiple_of(4096) {
            return Err("[ring] segment_bytes: allowed are 1MiB to 1GiB in steps of 4KiB".into());
        }
        let least = 8 * segment + (16 << 20);
        if ring.max_bytes.0 < least {
            return Err(format!(
                "[ring] max_bytes: must be at least eight segments and the head, {} bytes with segment_bytes = {segment}",
                least
            ));
        }
        if !self.probes.sources.contains(&SourceName::Cuda) {
            return Err(
                "[probes] sources: must contain \"cuda\"; \"sched\" and \"process\" may be left out".into()
            );
        }
        if self.snapshot.last.0 > MAX_WINDOW_NS || self.snapshot.after.0 > MAX_AFTER_NS {
            return Err("[snapshot] last may be up to 24h, after up to 10m".into());
        }
        if self.snapshot.max_bytes.0 >= ring.max_bytes.0 {
            return Err(
                "[snapshot] max_bytes: must be less than [ring] max_bytes, of which it is a share".into()
            );
        }
        if !(1..=1_000_000).contains(&ring.tick.0) {
            return Err("[ring] tick: must be 1ns to 1ms".into());
        }
        if ring.sync_interval.0 < 10_000_000 {
            return Err("[ring] sync_interval: must be at least 10ms".into());
        }
        self.samples.check()?;
        self.annotations.check()?;
        self.trigger.check()?;
        self.metrics.check()
    }
}

// For an unknown key the parser points at its table: the line that begins with the key is meant.
fn line_of(text: &str, e: &toml::de::Error) -> usize {
    let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let first = before.matches('\n').count();
    let unknown = e.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let named = |key: &str| text.lines().skip(first).position(|line| line.trim_start().starts_with(key));
    first + unknown.and_then(named).unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults_and_a_full_one_is_read() {
        assert_eq!(Config::parse("").unwrap().ring, Ring::default());
        let text = "[ring]\nmax_bytes = \"1GiB\"\nsegment_bytes = \"1MiB\"\n[snapshot]\nmax_bytes=\"100MiB\"\n[probes]\nlayers = \"both\"\nsources = [\"cuda\"]\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.ring.max_bytes, Bytes(1 << 30));
        assert_eq!(config.probes.layers, Layers::Both);
        assert_eq!(config.digest.len(), 64);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_is_allowed() {
        for (text, line, part) in [
            ("[ring]\nmax_bites = \"1GiB\"", "line 2", "max_bytes"),
            ("[rong]\n", "line 1", "ring"),
            ("[ring]\n\nmax_bytes = \"1GB\"", "line 3", "4GiB"),
            ("[ring]\nmax_bytes = 4", "line 2", "a size with its unit"),
            ("[probes]\nlayers = \"all\"", "line 2", "driver"),
            ("[probes]\nsources = [\"gpu\"]", "line 2", "sched"),
            ("[snapshot]\nlast = \"60\"", "line 2", "60"),
        ] {
            let e = Config::parse(text).unwrap_err();
            assert!(e.contains(line) && e.contains(part) && !e.contains('\n'), "{text:?} gave {e:?}");
        }
        assert!(Config::parse("[ring]\nmax_bytes = \"20MiB\"").unwrap_err().contains("max_bytes"));
        assert!(Config::parse("[snapshot]\nmax_bytes = \"9GiB\"").unwrap_err().contains("share"));
        assert!(Config::parse("[snapshot]\nlast = \"50h\"").unwrap_err().contains("24h"));
    }

    // The file that is packaged has every default as a comment behind its key.
    #[test]
    fn the_packaged_file_is_read_and_its_commented_keys_are_the_defaults() {
        let text = include_str!("../../packaging/recorder.toml");
        let mut packaged = Config::parse(text).unwrap();
        packaged.digest = Config::parse("").unwrap().digest;
        assert_eq!(packaged, Config::parse("").unwrap());
        let snapshot = text.split_once("[snapshot]").unwrap().1.split("\n[").next().unwrap();
        let keys = snapshot.lines().filter(|line| line.starts_with('#') && !line.starts_with("# "));
        let uncommented: String = keys.map(|line| format!("{}\n", &line[1..])).collect();
        let read = Config::parse(&format!("[snapshot]\n{uncommented}")).unwrap();
        assert_eq!(read.snapshot, Snapshot::default());
        assert_eq!(uncommented.lines().count(), 5, "every key is there: {uncommented}");
    }
}
