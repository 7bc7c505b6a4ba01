//! `[metrics]`: what is told to monitoring systems.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Listen, Nanos, TokenPlace, access, samples::check_page};

const SECOND: u64 = 1_000_000_000;

/// `[metrics]`: the page that a Prometheus reads. Off unless it listens.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where the page is served; without it there is none.
    pub listen: Option<Listen>,
    /// File with the bearer token that every request must carry.
    pub token_file: Option<PathBuf>,
    /// The token as a systemd credential of this name.
    pub token_credential: Option<String>,
    /// `[metrics.otlp]`
    pub otlp: Otlp,
}

/// `[metrics.otlp]`: the same numbers, sent at an interval. Off unless it has an endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Where to, `http://host:port/v1/metrics`; without it nothing is sent.
    pub endpoint: Option<String>,
    /// Time between two exports, ns.
    pub interval: Nanos,
    /// File with a bearer token to send along.
    pub token_file: Option<PathBuf>,
    /// The token as a systemd credential of this name.
    pub token_credential: Option<String>,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { endpoint: None, interval: Nanos(15 * SECOND), token_file: None, token_credential: None }
    }
}

impl Metrics {
    /// True if anybody is told anything.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.listen.is_some() || self.otlp.endpoint.is_some()
    }

    /// Where the page's token lies.
    #[must_use]
    pub fn token(&self) -> TokenPlace<'_> {
        TokenPlace { file: self.token_file.as_deref(), credential: self.token_credential.as_deref() }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        self.token().check("[metrics]")?;
        access::check(self.listen.as_ref(), self.token().is_some(), "[metrics]")?;
        self.otlp.check()
    }
}

impl Otlp {
    /// Where the token to send along lies.
    #[must_use]
    pub fn token(&self) -> TokenPlace<'_> {
        TokenPlace { file: self.token_file.as_deref(), credential: self.token_credential.as_deref() }
    }

    fn check(&self) -> Result<(), String> {
        self.token().check("[metrics.otlp]")?;
        self.endpoint.iter().try_for_each(|endpoint| check_page("[metrics.otlp] endpoint", endpoint))?;
        if (SECOND..=3_600 * SECOND).contains(&self.interval.0) {
            Ok(())
        } else {
            Err("[metrics.otlp] interval: must be 1s to 1h".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Config, *};

    #[test]
    fn nothing_is_told_unless_the_configuration_says_where() {
        assert!(!Config::parse("").unwrap().metrics.is_on());
        assert!(!Config::parse("[metrics.otlp]\ninterval = \"5s\"\n").unwrap().metrics.is_on());
        let text = "[metrics]\nlisten = \"127.0.0.1:9464\"\n[metrics.otlp]\n\
            endpoint = \"http://127.0.0.1:4318/v1/metrics\"\ninterval = \"5s\"\ntoken_credential = \"otlp\"\n";
        let metrics = Config::parse(text).unwrap().metrics;
        assert!(metrics.is_on() && metrics.otlp.token().is_some() && !metrics.token().is_some());
        assert_eq!(metrics.otlp.interval, Nanos(5 * SECOND));
        assert!(Config::parse("[metrics]\nlisten = \"unix\"\n").unwrap().metrics.is_on());
    }

    #[test]
    fn a_mistake_is_told_with_what_is_allowed() {
        for (text, part) in [
            ("[metrics]\nlisten = \"localhost\"", "127.0.0.1:"),
            ("[metrics]\nlisten = \"0.0.0.0:9464\"", "[metrics] listen: 0.0.0.0:9464 can be reached"),
            ("[metrics]\nlisten = \"[::]:9464\"", "token"),
            ("[metrics]\ntoken_file = \"token\"", "[metrics] token_file: must be an absolute"),
            ("[metrics]\ntoken_credential = \"a/b\"", "LoadCredential"),
            ("[metrics]\nport = 9464", "line 2"),
            ("[metrics.otlp]\nendpoint = \"https://a/v1/metrics\"", "plain http"),
            ("[metrics.otlp]\nendpoint = \"127.0.0.1:4318\"", "plain http"),
            ("[metrics.otlp]\ninterval = \"500ms\"", "1s to 1h"),
            ("[metrics.otlp]\ntoken_file = \"/a\"\ntoken_credential = \"a\"", "not both"),
        ] {
            let e = Config::parse(text).unwrap_err();
            assert!(e.contains(part) && !e.contains('\n'), "{text:?} gave {e:?}");
        }
    }
}
