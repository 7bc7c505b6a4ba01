//! A configuration as the text that it would be read from again.

use ingero_format::units::{exact_size, exact_time};
use serde::{Serialize, Serializer};

use super::{AnnotationListen, Bytes, Config, Listen, Mode, Nanos};
use crate::{Error, Result};

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&exact_size(self.0))
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&exact_time(self.0))
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Unix => serializer.serialize_str("unix"),
            Self::Tcp(address) => serializer.collect_str(address),
        }
    }
}

impl Serialize for AnnotationListen {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Unix => serializer.serialize_str("unix"),
            Self::Path(path) => path.serialize(serializer),
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl Config {
    /// The whole configuration as TOML, which reads as the same one but for its digest; the digest of what it was read
    /// from stands in a comment. Keys that are not set are left out.
    ///
    /// # Errors
    /// [`Error::Other`] if a value cannot be written as TOML, which none is that was read from it.
    pub fn to_toml(&self) -> Result<String> {
        let keys = toml::to_string(self)
            .map_err(|e| Error::Other(format!("the configuration cannot be printed: {e}; report it")))?;
        Ok(format!(
            "# In force with this configuration (SHA-256 of the file: {}); keys that are not set are left out.\n{keys}",
            self.digest
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every key of the packaged file, in force: with its default, or with the example where it is off.
    fn uncommented() -> String {
        let text = include_str!("../../../packaging/recorder.toml");
        let line = |line: &str| match line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')) {
            Some(key) if !key.starts_with("token_file") => format!("{key}\n"),
            _ if line.starts_with('[') => format!("{line}\n"),
            _ => String::new(),
        };
        text.lines().map(line).collect()
    }

    fn again(config: &Config) -> Config {
        let text = config.to_toml().unwrap();
        let read = Config::parse(&text).unwrap_or_else(|e| panic!("{e}:\n{text}"));
        Config { digest: config.digest.clone(), ..read }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same_configuration() {
        let all = Config::parse(&uncommented()).unwrap();
        assert!(all.trigger.webhook.listen.is_some() && all.trigger.predicate.sync_longer.is_some());
        assert!(all.metrics.otlp.token_credential.is_some(), "the keys that are off by default are set");
        let odd = "[ring]\ntick = \"1500ns\"\n[samples]\nmetrics = [\"http://a/m\", \"http://[::1]:1/m\"]\n\
                   nvml_library = '/a \"b\\c'\n[annotations]\nlisten = \"/run/\u{e4}.sock\"\nmode = \"0666\"\n[trigger.ttft]\n\
                   statistic = \"p50\"\n[trigger.predicate]\noom_kill = \"any\"\n[trigger.process]\nnames = [\"py*\"]\n\
                   [metrics]\nlisten = \"[::]:9464\"\ntoken_file = \"/a b\"\n[budget]\nthread_percent = 0.01\n";
        for config in [Config::parse("").unwrap(), all, Config::parse(odd).unwrap()] {
            assert_eq!(again(&config), config);
        }
    }

    #[test]
    fn defaults_are_printed_as_the_packaged_file_has_them() {
        let printed = Config::parse("").unwrap().to_toml().unwrap();
        let is_list = |line: &&str| line.contains('[') || line.contains('#');
        let keys = uncommented();
        let same = keys.lines().filter(|line| !is_list(line) && printed.lines().any(|p| p == *line)).count();
        assert!(same > 30, "{same} keys in\n{printed}");
        assert!(printed.contains("\n[trigger.signal]\nenabled = true\ncool_down = \"0s\"\n"), "{printed}");
    }
}
