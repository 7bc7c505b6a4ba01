//! `[samples]`: what is read at intervals.

use serde::{Deserialize, Serialize};

use super::Nanos;

/// Most pages read: each may take half a second, one after the other.
const MAX_PAGES: usize = 16;

/// `[samples]`: which numbers are read at intervals.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Samples {
    /// Time between two readings, ns.
    pub interval: Nanos,
    /// GPUs, by the driver's management library if there is one.
    pub nvml: bool,
    /// Its file; empty to let the dynamic linker find `libnvidia-ml.so.1`.
    pub nvml_library: String,
    /// Pressure, load, CPU time and memory of the host.
    pub host: bool,
    /// CPU bandwidth and memory events of the cgroups of recorded processes.
    pub cgroups: bool,
    /// Pages of inference engines, `http://host:port/metrics`.
    pub metrics: Vec<String>,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            interval: Nanos(1_000_000_000),
            nvml: true,
            nvml_library: String::new(),
            host: true,
            cgroups: true,
            metrics: Vec::new(),
        }
    }
}

impl Samples {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(100_000_000..=3_600_000_000_000).contains(&self.interval.0) {
            return Err("[samples] interval: must be 100ms to 1h".into());
        }
        if self.metrics.len() > MAX_PAGES {
            return Err(format!("[samples] metrics: at most {MAX_PAGES} pages"));
        }
        self.metrics.iter().try_for_each(|page| check_page("[samples] metrics", page))
    }
}

/// Whether `page`, of the key `key`, is an address that can be read.
pub(super) fn check_page(key: &str, page: &str) -> Result<(), String> {
    let uri = page.parse::<ureq::http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
    if uri.and_then(|uri| uri.host().map(str::len)).is_none_or(|len| len == 0) {
        return Err(format!(
            "{key}: {page:?} is no address such as \"http://127.0.0.1:8000/metrics\" (plain http only)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn samples_have_defaults_and_bad_ones_are_told() {
        let default = Config::parse("").unwrap().samples;
        assert!(default.nvml && default.host && default.cgroups && default.metrics.is_empty());
        let text = "[samples]\ninterval = \"250ms\"\nnvml = false\nmetrics = [\"http://127.0.0.1:8000/metrics\", \"http://[::1]:1/m\"]\n";
        assert_eq!(Config::parse(text).unwrap().samples.metrics.len(), 2);
        for (text, part) in [
            ("[samples]\ninterval = \"1ms\"", "100ms"),
            ("[samples]\ninterval = \"2h\"", "1h"),
            ("[samples]\nmetrics = [\"https://a/metrics\"]", "plain http"),
            ("[samples]\nmetrics = [\"a:8000/metrics\"]", "plain http"),
            ("[samples]\nmetrics = [\"/metrics\"]", "plain http"),
            ("[samples]\nmetrics = [\"http://\"]", "plain http"),
            ("[samples]\nnvlm = true", "nvml"),
        ] {
            let e = Config::parse(text).unwrap_err();
            assert!(e.contains(part), "{text:?} gave {e:?}");
        }
        let many = format!("[samples]\nmetrics = [{}]", "\"http://a/m\",".repeat(17));
        assert!(Config::parse(&many).unwrap_err().contains("at most"));
    }
}
