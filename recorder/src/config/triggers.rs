//! `[trigger.…]`: what freezes a window without being told to by a person.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Listen, Nanos, TokenPlace, access};

/// Most pages watched: each may take half a second, one after the other.
const MAX_PAGES: usize = 8;
/// Most patterns of process names.
const MAX_NAMES: usize = 32;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 24 * 3_600 * SECOND;

/// `[trigger.…]`: one section for each kind of trigger.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriggerConfig {
    /// `[trigger.signal]`
    pub signal: SignalTrigger,
    /// `[trigger.webhook]`
    pub webhook: WebhookTrigger,
    /// `[trigger.ttft]`
    pub ttft: TtftTrigger,
    /// `[trigger.predicate]`
    pub predicate: PredicateTrigger,
    /// `[trigger.process]`
    pub process: ProcessTrigger,
}

/// `[trigger.signal]`: SIGUSR1.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignalTrigger {
    /// Whether the signal freezes.
    pub enabled: bool,
    /// Least time between two snapshots by it, ns.
    pub cool_down: Nanos,
}

impl Default for SignalTrigger {
    fn default() -> Self {
        Self { enabled: true, cool_down: Nanos(0) }
    }
}

/// `[trigger.webhook]`: alerts of an Alertmanager.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookTrigger {
    /// Where it listens; without it there is no webhook.
    pub listen: Option<Listen>,
    /// File with the bearer token that every request must carry.
    pub token_file: Option<PathBuf>,
    /// The token as a systemd credential of this name.
    pub token_credential: Option<String>,
    /// Least time between two snapshots by it, ns.
    pub cool_down: Nanos,
}

impl Default for WebhookTrigger {
    fn default() -> Self {
        Self { listen: None, token_file: None, token_credential: None, cool_down: Nanos(30 * SECOND) }
    }
}

/// What of a histogram is compared with the threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// 95 % are under it.
    P95,
    /// 99 % are under it.
    #[default]
    P99,
}

impl Statistic {
    /// The quantile it is, 0 to 1; `None` for the mean.
    #[must_use]
    pub fn quantile(self) -> Option<f64> {
        match self {
            Self::Mean => None,
            Self::P50 => Some(0.5),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
        }
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }
}

/// `[trigger.ttft]`: an inference engine's own time to first token.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TtftTrigger {
    /// The engines' pages, `http://host:port/metrics`; without any there is no watch.
    pub pages: Vec<String>,
    /// Time between two looks, ns.
    pub interval: Nanos,
    /// What is compared.
    pub statistic: Statistic,
    /// What it may not pass, ns.
    pub threshold: Nanos,
    /// How far back requests count, ns.
    pub window: Nanos,
    /// Fewest requests in the window.
    pub min_requests: u32,
    /// Least time between two snapshots by it, ns.
    pub cool_down: Nanos,
}

impl Default for TtftTrigger {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            interval: Nanos(SECOND),
            statistic: Statistic::P99,
            threshold: Nanos(2 * SECOND),
            window: Nanos(60 * SECOND),
            min_requests: 20,
            cool_down: Nanos(300 * SECOND),
        }
    }
}

/// Whose death for want of memory freezes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OomKill {
    /// Nobody's.
    Never,
    /// Recorded processes'.
    #[default]
    Recorded,
    /// Any process's of the host.
    Any,
}

/// `[trigger.predicate]`: conditions on what is recorded. What is absent is off.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PredicateTrigger {
    /// A synchronising call took longer, ns.
    pub sync_longer: Option<Nanos>,
    /// A thread of a recorded process was off the CPU for longer, ns.
    pub off_cpu_longer: Option<Nanos>,
    /// A process's launches a second fell below this share of their recent level, percent.
    pub launch_rate_below_percent: Option<u32>,
    /// Least level that can fall, launches a second.
    pub launch_rate_min: u32,
    /// How long that level must have held, ns.
    pub launch_rate_hold: Nanos,
    /// The kernel killed a process for want of memory.
    pub oom_kill: OomKill,
    /// A GPU began to throttle for heat or power supply.
    pub gpu_throttle: bool,
    /// A GPU's driver reported an error by number (XID).
    pub gpu_xid: bool,
    /// Least time between two snapshots by the same condition, ns.
    pub cool_down: Nanos,
}

impl Default for PredicateTrigger {
    fn default() -> Self {
        Self {
            sync_longer: None,
            off_cpu_longer: None,
            launch_rate_below_percent: None,
            launch_rate_min: 1_000,
            launch_rate_hold: Nanos(10 * SECOND),
            oom_kill: OomKill::Recorded,
            gpu_throttle: false,
            gpu_xid: false,
            cool_down: Nanos(60 * SECOND),
        }
    }
}

/// `[trigger.process]`: a recorded process ends abnormally.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessTrigger {
    /// Names watched; `*` and `?` stand for any characters and any one. Empty: none.
    #[serde(deserialize_with = "names")]
    pub names: Vec<String>,
    /// Least time between two snapshots by it, ns.
    pub cool_down: Nanos,
}

impl Default for ProcessTrigger {
    fn default() -> Self {
        Self { names: Vec::new(), cool_down: Nanos(30 * SECOND) }
    }
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    // The kernel keeps 15 bytes of a name: a longer one never matches.
    match names.iter().find(|name| name.is_empty() || (name.len() > 15 && !name.contains('*'))) {
        Some(name) => Err(de::Error::custom(format!(
            "`{name}` matches no process: a name has 1 to 15 bytes; shorten it, or use `*`"
        ))),
        None if names.len() > MAX_NAMES => Err(de::Error::custom(format!("at most {MAX_NAMES} names"))),
        None => Ok(names),
    }
}

fn between(name: &str, value: Nanos, least: u64, most: u64, allowed: &str) -> Result<(), String> {
    if (least..=most).contains(&value.0) {
        Ok(())
    } else {
        Err(format!("[trigger.{name}: must be {allowed}"))
    }
}

impl TriggerConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, cool_down) in [
            ("signal] cool_down", self.signal.cool_down),
            ("webhook] cool_down", self.webhook.cool_down),
            ("ttft] cool_down", self.ttft.cool_down),
            ("predicate] cool_down", self.predicate.cool_down),
            ("process] cool_down", self.process.cool_down),
        ] {
            between(name, cool_down, 0, DAY, "0s to 24h")?;
        }
        self.webhook.check()?;
        self.ttft.check()?;
        self.predicate.check()
    }
}

impl WebhookTrigger {
    /// True if requests must carry a token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        self.token().is_some()
    }

    /// Where that token lies.
    #[must_use]
    pub fn token(&self) -> TokenPlace<'_> {
        TokenPlace { file: self.token_file.as_deref(), credential: self.token_credential.as_deref() }
    }

    fn check(&self) -> Result<(), String> {
        self.token().check("[trigger.webhook]")?;
        access::check(self.listen.as_ref(), self.needs_token(), "[trigger.webhook]")
    }
}

impl TtftTrigger {
    fn check(&self) -> Result<(), String> {
        if self.pages.len() > MAX_PAGES {
            return Err(format!("[trigger.ttft] pages: at most {MAX_PAGES}"));
        }
        for page in &self.pages {
            super::samples::check_page("[trigger.ttft] pages", page)?;
        }
        between("ttft] interval", self.interval, SECOND / 10, 3_600 * SECOND, "100ms to 1h")?;
        between("ttft] threshold", self.threshold, 1_000_000, 3_600 * SECOND, "1ms to 1h")?;
        let (least, most) = (2 * self.interval.0, 3_600 * SECOND);
        between("ttft] window", self.window, least, most, "two intervals to 1h")?;
        if self.min_requests == 0 {
            return Err("[trigger.ttft] min_requests: must be at least 1".into());
        }
        Ok(())
    }
}

impl PredicateTrigger {
    fn check(&self) -> Result<(), String> {
        for (name, limit) in
            [("predicate] sync_longer", self.sync_longer), ("predicate] off_cpu_longer", self.off_cpu_longer)]
        {
            let allowed = "100us to 1h; leave it out to switch it off";
            limit.map_or(Ok(()), |limit| between(name, limit, 100_000, 3_600 * SECOND, allowed))?;
        }
        if self.launch_rate_below_percent.is_some_and(|percent| !(1..=99).contains(&percent)) {
            return Err("[trigger.predicate] launch_rate_below_percent: must be 1 to 99; leave it out to switch it off".into());
        }
        if self.launch_rate_min == 0 {
            return Err("[trigger.predicate] launch_rate_min: must be at least 1 (launches a second)".into());
        }
        between("predicate] launch_rate_hold", self.launch_rate_hold, 2 * SECOND, 600 * SECOND, "2s to 10m")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Config, *};

    #[test]
    fn without_configuration_only_signal_and_oom_kills_of_recorded_processes_are_armed() {
        let t = Config::parse("").unwrap().trigger;
        assert!(t.signal.enabled && t.webhook.listen.is_none() && t.ttft.pages.is_empty());
        assert!(t.process.names.is_empty() && !t.predicate.gpu_throttle && !t.predicate.gpu_xid);
        assert_eq!(t.predicate.oom_kill, OomKill::Recorded);
        let p = &t.predicate;
        assert!(
            p.sync_longer.is_none() && p.off_cpu_longer.is_none() && p.launch_rate_below_percent.is_none()
        );
    }

    #[test]
    fn every_key_is_read() {
        let text = "[trigger.signal]\nenabled = false\ncool_down = \"1s\"\n\
            [trigger.webhook]\nlisten = \"[::1]:9096\"\ntoken_credential = \"hook.token\"\ncool_down = \"0s\"\n\
            [trigger.ttft]\npages = [\"http://127.0.0.1:8000/metrics\"]\ninterval = \"500ms\"\nstatistic = \"mean\"\n\
            threshold = \"800ms\"\nwindow = \"30s\"\nmin_requests = 5\ncool_down = \"2m\"\n\
            [trigger.predicate]\nsync_longer = \"50ms\"\noff_cpu_longer = \"100ms\"\nlaunch_rate_below_percent = 30\n\
            launch_rate_min = 200\nlaunch_rate_hold = \"5s\"\noom_kill = \"any\"\ngpu_throttle = true\ngpu_xid = true\ncool_down = \"10s\"\n\
            [trigger.process]\nnames = [\"python*\", \"VLLM::Worker\"]\ncool_down = \"5s\"\n";
        let t = Config::parse(text).unwrap().trigger;
        assert_eq!(t.webhook.listen, Some(Listen::Tcp("[::1]:9096".parse().unwrap())));
        assert_eq!((t.ttft.statistic, t.ttft.threshold), (Statistic::Mean, Nanos(800_000_000)));
        assert_eq!(t.predicate.sync_longer, Some(Nanos(50_000_000)));
        assert_eq!(t.process.names, ["python*", "VLLM::Worker"]);
        let unix = Config::parse("[trigger.webhook]\nlisten = \"unix\"\n").unwrap().trigger.webhook.listen;
        assert_eq!(unix, Some(Listen::Unix));
    }

    #[test]
    fn a_mistake_is_told_with_what_is_allowed() {
        for (text, part) in [
            ("[trigger.sigusr1]\nenabled = true", "line 1"),
            ("[trigger.signal]\nenable = true", "line 2"),
            ("[trigger.signal]\ncool_down = 5", "line 2"),
            ("[trigger.signal]\ncool_down = \"5\"", "line 2"),
            ("[trigger.signal]\ncool_down = \"25h\"", "24h"),
            ("[trigger.webhook]\nlisten = \"localhost\"", "127.0.0.1:9096"),
            ("[trigger.webhook]\n\nlisten = \"/tmp/x.sock\"", "line 3"),
            ("[trigger.webhook]\nlisten = \"0.0.0.0:9096\"", "token"),
            ("[trigger.webhook]\nlisten = \"[::]:9096\"", "token"),
            ("[trigger.webhook]\ntoken_file = \"token\"", "absolute"),
            ("[trigger.webhook]\ntoken_credential = \"../token\"", "LoadCredential"),
            ("[trigger.webhook]\ntoken_credential = \"\"", "LoadCredential"),
            ("[trigger.webhook]\ntoken_credential = \"a\"\ntoken_file = \"/a\"", "not both"),
            ("[trigger.ttft]\npages = [\"https://a/metrics\"]", "plain http"),
            ("[trigger.ttft]\ninterval = \"10ms\"", "100ms"),
            ("[trigger.ttft]\nstatistic = \"p99.9\"", "p95"),
            ("[trigger.ttft]\nthreshold = \"0s\"", "1ms"),
            ("[trigger.ttft]\nwindow = \"1s\"", "two intervals"),
            ("[trigger.ttft]\nmin_requests = 0", "at least 1"),
            ("[trigger.ttft]\nmin_requests = -1", "line 2"),
            ("[trigger.predicate]\nsync_longer = \"1us\"", "100us"),
            ("[trigger.predicate]\noff_cpu_longer = \"2h\"", "1h"),
            ("[trigger.predicate]\nlaunch_rate_below_percent = 100", "1 to 99"),
            ("[trigger.predicate]\nlaunch_rate_min = 0", "at least 1"),
            ("[trigger.predicate]\nlaunch_rate_hold = \"1s\"", "2s"),
            ("[trigger.predicate]\noom_kill = true", "line 2"),
            ("[trigger.predicate]\noom_kill = \"all\"", "recorded"),
            ("[trigger.process]\nnames = [\"a-name-that-is-too-long\"]", "15 bytes"),
            ("[trigger.process]\nnames = [\"\"]", "line 2"),
            ("[trigger.process]\nnames = \"python\"", "line 2"),
        ] {
            let e = Config::parse(text).unwrap_err();
            assert!(e.contains(part) && !e.contains('\n'), "{text:?} gave {e:?}");
        }
    }

    #[test]
    fn an_address_that_others_reach_is_allowed_with_a_token() {
        let text = "[trigger.webhook]\nlisten = \"0.0.0.0:9096\"\ntoken_file = \"/etc/token\"\n";
        assert!(Config::parse(text).unwrap().trigger.webhook.needs_token());
    }
}
