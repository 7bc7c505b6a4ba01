//! The payload: JSON of others, of which only what is used is read.

use std::{collections::BTreeMap, fmt};

use ingero_format::units::hex;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use sha2::{Digest, Sha256};

use crate::{printable::shortened, trigger::Ask};

/// Most alerts of one message; Alertmanager's own `max_alerts` may be set lower, never needs to be higher.
const MAX_ALERTS: usize = 1_000;
/// Longest value of a label that gets into a reason, bytes.
const MAX_LABEL_BYTES: usize = 96;
/// Longest reason made of labels, bytes.
const MAX_TEXT_BYTES: usize = 512;

/// Why a payload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Alertmanager payload of version 4: {0}")]
pub struct BadPayload(String);

#[derive(Deserialize)]
struct Payload {
    version: String,
    #[serde(deserialize_with = "few")]
    alerts: Vec<Alert>,
}

/// Whether an alert goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Firing,
    Resolved,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    status: State,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(default)]
    fingerprint: String,
}

// Counted while it is read: a list of a million empty alerts takes 100 times its bytes.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Alert>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<Alert>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ALERTS} alerts")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Alert>, A::Error> {
            let mut alerts = Vec::new();
            while let Some(alert) = list.next_element()? {
                if alerts.len() == MAX_ALERTS {
                    return Err(de::Error::custom(format!("more than {MAX_ALERTS} alerts")));
                }
                alerts.push(alert);
            }
            Ok(alerts)
        }
    }
    deserializer.deserialize_seq(Few)
}

/// Reads a payload.
///
/// # Errors
/// [`BadPayload`], in one line.
pub fn alerts(body: &[u8]) -> Result<Vec<Alert>, BadPayload> {
    let bad = |e: serde_json::Error| BadPayload(shortened(&e.to_string(), 200));
    let payload: Payload = serde_json::from_slice(body).map_err(bad)?;
    if payload.version != "4" {
        return Err(BadPayload(format!("its version is {:?}", shortened(&payload.version, 20))));
    }
    Ok(payload.alerts)
}

impl Alert {
    /// True if it goes on.
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.status == State::Firing
    }

    /// The question it asks.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask { reason: self.reason(), fingerprint: self.occasion(), ..Ask::default() }
    }

    // An alert that ended and begins anew has another start. A sender without fingerprints is known by its labels.
    fn occasion(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        };
        add(&self.starts_at);
        add(&self.fingerprint);
        if self.fingerprint.is_empty() {
            self.labels.iter().for_each(|(name, value)| {
                add(name);
                add(value);
            });
        }
        hex(&digest.finalize())
    }

    fn reason(&self) -> String {
        let cut = |text: &str| shortened(text, MAX_LABEL_BYTES);
        let name = self.labels.get("alertname").map_or("alert", String::as_str);
        let mut reason = format!("alert {}", cut(name));
        for (label, value) in self.labels.iter().filter(|(label, _)| *label != "alertname") {
            reason.push_str(&format!(" {}={}", cut(label), cut(value)));
            if reason.len() > MAX_TEXT_BYTES {
                break;
            }
        }
        if let Some(summary) = self.annotations.get("summary") {
            reason =
                format!("{}: {}", shortened(&reason, MAX_TEXT_BYTES - 2 - MAX_LABEL_BYTES), cut(summary));
        }
        shortened(&reason, MAX_TEXT_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the documentation of Alertmanager's webhook receiver describes it.
    const PAGE: &str = r#"{"version":"4","groupKey":"{}:{alertname=\"SlowTokens\"}","truncatedAlerts":0,"status":"firing",
        "receiver":"ingero","groupLabels":{"alertname":"SlowTokens"},"commonLabels":{"alertname":"SlowTokens"},
        "commonAnnotations":{},"externalURL":"http://alertmanager:9093","alerts":[
        {"status":"firing","labels":{"alertname":"SlowTokens","instance":"gpu-1:8000","severity":"page"},
         "annotations":{"summary":"p99 over 2 s"},"startsAt":"2026-11-22T14:00:00.000Z","endsAt":"0001-01-01T00:00:00Z",
         "generatorURL":"http://prometheus:9090/graph","fingerprint":"9b4b4f4a1c6f0e3d"},
        {"status":"resolved","labels":{"alertname":"SlowTokens","instance":"gpu-2:8000"},"annotations":{},
         "startsAt":"2026-11-22T13:00:00.000Z","endsAt":"2026-11-22T14:00:00.000Z","fingerprint":"0000000000000001"}]}"#;

    #[test]
    fn a_documented_payload_is_read_and_says_what_fires() {
        let found = alerts(PAGE.as_bytes()).unwrap();
        let firing: Vec<bool> = found.iter().map(Alert::is_firing).collect();
        assert_eq!(firing, [true, false]);
        let reason = "alert SlowTokens instance=gpu-1:8000 severity=page: p99 over 2 s";
        assert_eq!(found[0].ask().reason, reason);
    }

    #[test]
    fn an_alert_that_begins_anew_is_another_occasion_and_labels_stand_for_a_missing_fingerprint() {
        let first = alerts(PAGE.as_bytes()).unwrap().remove(0);
        let later = Alert { starts_at: "2026-11-22T15:00:00Z".into(), ..first.clone() };
        assert_ne!(first.ask().fingerprint, later.ask().fingerprint);
        let bare = Alert { fingerprint: String::new(), ..first.clone() };
        let mut other = bare.clone();
        other.labels.insert("instance".into(), "gpu-9".into());
        assert_ne!(bare.ask().fingerprint, other.ask().fingerprint);
        assert_eq!(bare.ask().fingerprint, bare.clone().ask().fingerprint);
    }

    #[test]
    fn labels_are_data_whatever_they_hold() {
        let mut alert = alerts(PAGE.as_bytes()).unwrap().remove(0);
        alert.labels.insert("path".into(), "../../etc/passwd\n<0>forged\u{1b}[2J".into());
        alert.labels.insert("z".into(), "é".repeat(100_000));
        let reason = alert.ask().reason;
        assert!(!reason.contains(char::is_control) && reason.len() <= MAX_TEXT_BYTES, "{reason}");
        assert!(reason.ends_with("p99 over 2 s"), "{reason}");
    }

    #[test]
    fn what_is_no_payload_is_refused_in_one_short_line() {
        let many = format!(r#"{{"version":"4","alerts":[{}]}}"#, r#"{"status":"firing"},"#.repeat(2_000));
        let deep = format!(r#"{{"version":"4","alerts":{}"#, "[".repeat(100_000));
        for body in [
            "",
            "{}",
            "[]",
            "null",
            "{\"version\":\"4\"}",
            r#"{"version":"3","alerts":[]}"#,
            r#"{"version":4,"alerts":[]}"#,
            r#"{"version":"4","alerts":{}}"#,
            r#"{"version":"4","alerts":[{}]}"#,
            r#"{"version":"4","alerts":[{"status":"burning"}]}"#,
            r#"{"version":"4","alerts":[{"status":"firing","labels":{"a":1}}]}"#,
            r#"{"version":"4","alerts":[]} x"#,
            "{\"version\":\"4\",\"alerts\":[{\"status\":\"\u{0}",
            many.as_str(),
            deep.as_str(),
        ] {
            let e = alerts(body.as_bytes()).unwrap_err().to_string();
            assert!(e.len() < 300 && !e.contains('\n'), "{e}");
        }
        assert!(alerts(&[0xff, 0xfe]).is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>, text in "[\\[\\]{}\":,a-z0-9]{0,200}") {
            let _ = alerts(&body);
            let _ = alerts(text.as_bytes());
        }

        #[test]
        fn any_label_gives_a_short_line(name in "\\PC{0,300}", value: String) {
            let labels = [("alertname".to_owned(), value), (name, "x".into())].into();
            let alert = Alert { status: State::Firing, labels, annotations: BTreeMap::new(), starts_at: String::new(), fingerprint: String::new() };
            let reason = alert.ask().reason;
            prop_assert!(reason.len() <= MAX_TEXT_BYTES && !reason.contains(char::is_control));
        }
    }
}
