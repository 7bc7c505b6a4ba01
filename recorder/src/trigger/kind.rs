//! Which triggers there are.

use crate::config::{Config, OomKill};

/// One trigger. Each has counts and a cool-down of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person with `ingeroctl snapshot`.
    Command,
    /// SIGUSR1.
    Signal,
    /// Another unit that failed: `ingeroctl snapshot --unit`.
    Unit,
    /// An alert.
    Webhook,
    /// An engine's time to first token.
    Ttft,
    /// A recorded process ended abnormally.
    Process,
    /// A synchronising call took too long.
    SyncLonger,
    /// A thread was off the CPU for too long.
    OffCpuLonger,
    /// A process launches much less than it did.
    LaunchRateDrop,
    /// A process was killed for want of memory.
    OomKill,
    /// A GPU began to throttle.
    GpuThrottle,
    /// A GPU's driver reported an error.
    GpuXid,
}

impl Kind {
    /// All, in the order of status.
    pub const ALL: [Self; 12] = [
        Self::Command,
        Self::Signal,
        Self::Unit,
        Self::Webhook,
        Self::Ttft,
        Self::Process,
        Self::SyncLonger,
        Self::OffCpuLonger,
        Self::LaunchRateDrop,
        Self::OomKill,
        Self::GpuThrottle,
        Self::GpuXid,
    ];

    /// Its name in status, MANIFEST and journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Signal => "signal",
            Self::Unit => "unit",
            Self::Webhook => "webhook",
            Self::Ttft => "ttft",
            Self::Process => "process",
            Self::SyncLonger => "sync_longer",
            Self::OffCpuLonger => "off_cpu_longer",
            Self::LaunchRateDrop => "launch_rate_drop",
            Self::OomKill => "oom_kill",
            Self::GpuThrottle => "gpu_throttle",
            Self::GpuXid => "gpu_xid",
        }
    }

    /// The section of the configuration that arms it, or its own name.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::SyncLonger
            | Self::OffCpuLonger
            | Self::LaunchRateDrop
            | Self::OomKill
            | Self::GpuThrottle
            | Self::GpuXid => "predicate",
            other => other.name(),
        }
    }

    /// Whether the configuration arms it.
    #[must_use]
    pub fn is_armed(self, config: &Config) -> bool {
        let (t, p) = (&config.trigger, &config.trigger.predicate);
        match self {
            Self::Command | Self::Unit => true,
            Self::Signal => t.signal.enabled,
            Self::Webhook => t.webhook.listen.is_some(),
            Self::Ttft => !t.ttft.pages.is_empty(),
            Self::Process => !t.process.names.is_empty(),
            Self::SyncLonger => p.sync_longer.is_some(),
            Self::OffCpuLonger => p.off_cpu_longer.is_some(),
            Self::LaunchRateDrop => p.launch_rate_below_percent.is_some(),
            Self::OomKill => p.oom_kill != OomKill::Never,
            Self::GpuThrottle => p.gpu_throttle,
            Self::GpuXid => p.gpu_xid,
        }
    }

    /// Least time between two snapshots by it, ns.
    #[must_use]
    pub fn cool_down_ns(self, config: &Config) -> u64 {
        let t = &config.trigger;
        match self {
            Self::Command | Self::Unit => 0,
            Self::Signal => t.signal.cool_down.0,
            Self::Webhook => t.webhook.cool_down.0,
            Self::Ttft => t.ttft.cool_down.0,
            Self::Process => t.process.cool_down.0,
            Self::SyncLonger
            | Self::OffCpuLonger
            | Self::LaunchRateDrop
            | Self::OomKill
            | Self::GpuThrottle
            | Self::GpuXid => t.predicate.cool_down.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_has_a_name_of_its_own_and_only_free_ones_are_armed_by_default() {
        let config = Config::parse("").unwrap();
        let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|k| k.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(
            Kind::ALL.map(Kind::name) == ingero_format::names::TRIGGERS,
            "readers know them by this list"
        );
        let armed: Vec<&str> =
            Kind::ALL.into_iter().filter(|k| k.is_armed(&config)).map(Kind::name).collect();
        assert_eq!(armed, ["command", "signal", "unit", "oom_kill"]);
    }
}
