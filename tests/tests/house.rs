//! The house's own rules that a compiler does not check.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, path::Path};

fn manifest(package: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap()
}

#[test]
fn data_flows_one_way_ctl_and_recorder_share_only_the_format() {
    assert!(!manifest("ctl").contains("ingero-recorder"));
    assert!(!manifest("ctl").contains("ingero-ebpf"));
    assert!(!manifest("recorder").contains("ingeroctl"));
    assert!(!manifest("recorder").contains("ingero-standin"), "nothing in the recorder knows the stand-in");
    assert!(!manifest("format").contains("ingero-recorder") && !manifest("format").contains("ingero-ebpf"));
}

#[test]
fn the_serialisation_crate_is_named_in_one_module_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let mut folders = ["format/src", "recorder/src", "ctl/src"].map(|f| root.join(f)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("format/src/codec.rs") {
                assert!(!fs::read_to_string(&path).unwrap().contains("bincode"), "{}", path.display());
            }
        }
    }
}
