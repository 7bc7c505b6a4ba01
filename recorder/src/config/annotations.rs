//! `[annotations]`: what programs may say of their own time.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Bytes, text};

/// Longest path that a socket's address has room for, bytes.
const MAX_PATH_BYTES: usize = 107;

/// Where programs connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AnnotationListen {
    /// `annotate.sock` in the run directory.
    #[default]
    Unix,
    /// A path of its own.
    Path(PathBuf),
}

impl<'de> Deserialize<'de> for AnnotationListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"unix\" or a whole path", |t| match t {
            "unix" => Ok(Self::Unix),
            path if path.starts_with('/') && path.len() <= MAX_PATH_BYTES => Ok(Self::Path(path.into())),
            _ => Err(format!("`{t}` is neither \"unix\" nor a whole path of at most {MAX_PATH_BYTES} bytes")),
        })
    }
}

/// Permission bits of the socket's file (chmod(2)), written in octal as `"0660"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "\"0600\", \"0660\" or \"0666\"", |t| match t {
            "0600" => Ok(Self(0o600)),
            "0660" => Ok(Self(0o660)),
            "0666" => Ok(Self(0o666)),
            other => Err(format!(
                "`{other}` is none of \"0600\" (the recorder's user), \"0660\" (its group too), \"0666\" (everybody)"
            )),
        })
    }
}

/// `[annotations]`: the socket on which programs tell of their time, and how much they may.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnnotationConfig {
    /// Whether programs may annotate.
    pub enabled: bool,
    /// Where they connect.
    pub listen: AnnotationListen,
    /// Who may connect.
    pub mode: Mode,
    /// Most annotations a second, of all programs.
    pub max_per_second: u32,
    /// Most bytes a second that they take in the ring before it is packed, of all programs.
    pub max_bytes_per_second: Bytes,
}

impl Default for AnnotationConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: AnnotationListen::Unix,
            mode: Mode(0o660),
            max_per_second: 2_000,
            max_bytes_per_second: Bytes(256 << 10),
        }
    }
}

impl AnnotationConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(1..=100_000).contains(&self.max_per_second) {
            return Err("[annotations] max_per_second: must be 1 to 100000".into());
        }
        if !(32 << 10..=64 << 20).contains(&self.max_bytes_per_second.0) {
            return Err("[annotations] max_bytes_per_second: must be 32KiB to 64MiB".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Config, *};

    #[test]
    fn the_keys_of_the_packaged_file_are_the_defaults() {
        let text = include_str!("../../../packaging/recorder.toml");
        let section = text.split_once("[annotations]\n").unwrap().1.split("\n[").next().unwrap();
        let keys = section.lines().filter(|line| line.starts_with('#') && !line.starts_with("# "));
        let keys: Vec<&str> = keys.map(|line| &line[1..]).collect();
        assert_eq!(keys.len(), 5, "every key is there: {keys:?}");
        let read = Config::parse(&format!("[annotations]\n{}\n", keys.join("\n"))).unwrap().annotations;
        assert_eq!(read, AnnotationConfig::default());
    }

    #[test]
    fn annotations_have_defaults_and_mistakes_are_told() {
        let default = Config::parse("").unwrap().annotations;
        assert_eq!(default, AnnotationConfig::default());
        let text = "[annotations]\nenabled = false\nlisten = \"/run/ingero/annotate.sock\"\nmode = \"0666\"\n\
                    max_per_second = 10\nmax_bytes_per_second = \"1MiB\"\n";
        let read = Config::parse(text).unwrap().annotations;
        assert_eq!(read.listen, AnnotationListen::Path("/run/ingero/annotate.sock".into()));
        assert_eq!((read.enabled, read.mode, read.max_per_second), (false, Mode(0o666), 10));
        for (text, part) in [
            ("[annotations]\nlisten = \"run/x.sock\"".to_owned(), "whole path"),
            (format!("[annotations]\nlisten = \"/{}\"", "x".repeat(107)), "107 bytes"),
            ("[annotations]\nmode = \"0777\"".into(), "everybody"),
            ("[annotations]\nmode = 660".into(), "0660"),
            ("[annotations]\nmax_per_second = 0".into(), "1 to 100000"),
            ("[annotations]\nmax_bytes_per_second = \"1KiB\"".into(), "32KiB"),
            ("[annotations]\ngroup = \"x\"".into(), "listen"),
        ] {
            let e = Config::parse(&text).unwrap_err();
            assert!(e.contains(part), "{text:?} gave {e:?}");
        }
    }
}
