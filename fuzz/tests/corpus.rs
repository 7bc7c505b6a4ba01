//! Every target over every file of its corpus, without libFuzzer.

use std::{fs, path::PathBuf};

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 9] = [
    ("frame", ingero_fuzz::frame),
    ("segment", ingero_fuzz::segment),
    ("head", ingero_fuzz::head),
    ("state", ingero_fuzz::state),
    ("manifest", ingero_fuzz::manifest),
    ("bundle", ingero_fuzz::bundle),
    ("control", ingero_fuzz::control),
    ("columns", ingero_fuzz::columns),
    ("config", ingero_fuzz::config),
];

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect()
}

#[test]
fn every_file_of_the_corpus_keeps_every_property() {
    for (target, check) in TARGETS {
        let files = corpus(target);
        assert!(files.len() >= 2, "{target}: no corpus; run `cargo run --example seed`");
        for (path, bytes) in files {
            println!("{}", path.display());
            check(&bytes);
        }
    }
}

// A cheap stand-in for the fuzzer: small edits all over, always the same ones.
#[test]
fn small_edits_of_the_corpus_keep_every_property() {
    const EDITS: u64 = 40;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for (target, check) in TARGETS {
        for (path, bytes) in corpus(target) {
            println!("{}", path.display());
            for _ in 0..EDITS {
                let mut edited = bytes.clone();
                for _ in 0..=random() % 3 {
                    let at = random() as usize % edited.len();
                    match random() % 4 {
                        0 => edited.truncate(at + 1),
                        1 => edited[at] = 0xff,
                        2 => edited[at] = 0,
                        _ => edited[at] ^= 1 << (random() % 8),
                    }
                }
                check(&edited);
            }
        }
    }
}

#[test]
fn the_corpus_stays_small() {
    let bytes: usize = TARGETS.iter().flat_map(|(t, _)| corpus(t)).map(|(_, b)| b.len()).sum();
    assert!(bytes < 300 << 10, "{bytes} bytes");
}
