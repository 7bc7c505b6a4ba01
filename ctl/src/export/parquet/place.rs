//! Where the files of a view lie: `node=<name>/hour=<hour>`, as Hive's partitions, which other tools understand.

use std::fmt::Write;

use ingero_format::units::hex;
use sha2::{Digest, Sha256};

use crate::time;

/// What readers take for "no value".
const NONE: &str = "__HIVE_DEFAULT_PARTITION__";
/// Longest name that is written out, bytes: file systems take 255 with the key before it, hosts' names have up to 64,
/// each of which may take three.
const LONGEST: usize = 192;

/// The folder of a machine's rows. Whatever the name has in it, this is one folder below another.
pub fn node(name: &str) -> String {
    format!("node={}", value(name))
}

/// The folder of an hour's rows: `hour=2026-11-22T06`, UTC.
pub fn hour(hour: i64) -> String {
    format!("hour={}", value(&time::hour(hour)))
}

fn value(name: &str) -> String {
    if name.is_empty() {
        return NONE.to_owned();
    }
    let plain = |b: u8| name != NONE && (b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let mut out = String::new();
    for byte in name.bytes() {
        if out.len() > LONGEST {
            break;
        }
        if plain(byte) {
            out.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() <= LONGEST {
        return out;
    }
    // Cut, and told apart from others with the same begin.
    let digest = Sha256::digest(name.as_bytes());
    let digest = hex(digest.get(..8).unwrap_or_default());
    let begin: String = name.chars().filter(char::is_ascii_alphanumeric).take(LONGEST / 2).collect();
    format!("{begin}-{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_machine_leads_out_of_its_folder_or_into_another_machines() {
        let long = "ü".repeat(400);
        let names =
            ["alpha", "a/b", "..", ".", "a\nb", "", "a=b", "a%2Fb", NONE, &long, &(long.clone() + "x")];
        let folders: Vec<String> = names.iter().map(|n| node(n)).collect();
        for folder in &folders {
            assert!(folder.len() < 255 && folder.starts_with("node="), "{folder}");
            assert!(folder.bytes().all(|b| b.is_ascii_graphic() && b != b'/'), "{folder}");
        }
        let different: std::collections::BTreeSet<_> = folders.iter().collect();
        assert_eq!(different.len(), names.len(), "{folders:?}");
        assert_eq!(folders[..3], ["node=alpha", "node=a%2Fb", "node=.."]);
        assert_eq!(folders[5], "node=__HIVE_DEFAULT_PARTITION__");
        assert_eq!(hour(494_550), "hour=2026-06-02T06");
    }
}
