//! Recordings of a real serving loop on an H100, one incident each (`tests/gpu/serving.py`): what is found in them.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, path::Path, process::Command};

use ingero_tests::lab::programs;
use serde_json::Value;

/// Phase, the cause that is to be ranked first, and what its finding must name.
const PHASES: [(&str, Option<&str>, &str); 5] = [
    ("cold", Some("first_use"), "softmax_warp_forward"),
    ("steady", None, ""),
    ("contention", Some("cpu_contention"), "neighbour"),
    ("starvation", Some("data_starvation"), "tokenizer"),
    ("kernel", Some("first_use"), "fused_gate_and_norm"),
];

fn ctl(args: &[&str]) -> Value {
    let output = Command::new(programs().join("ingeroctl")).args(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_incident_of_a_serving_loop_on_an_h100_is_named_and_none_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let causes: Vec<&str> = PHASES.iter().filter_map(|(_, cause, _)| *cause).collect();
    for (phase, expected, named) in PHASES {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/h100/{phase}.ingero.zst"));
        let bundle = folder.path().join("bundle.ingero");
        fs::write(&bundle, zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
        let bundle = bundle.to_str().unwrap();
        assert_eq!(ctl(&["verify", bundle])["ok"], true, "{phase}");
        let found = ctl(&["explain", bundle]);
        let findings = found["findings"].as_array().unwrap();
        if let Some(expected) = expected {
            let first = &findings[0];
            assert_eq!((&first["cause"], &first["comm"]), (&expected.into(), &"engine".into()), "{phase}");
            assert!(first.to_string().contains(named), "{phase}: {first}");
        }
        let loud = findings.iter().filter(|f| f["severity"] != "LOW");
        let of_others = |f: &&Value| {
            let cause = f["cause"].as_str().unwrap();
            causes.contains(&cause) && Some(cause) != expected
        };
        assert_eq!(loud.filter(of_others).collect::<Vec<_>>(), Vec::<&Value>::new(), "{phase}");
    }
}
