//! Damaged files through `ingeroctl verify`: what the format's readers report, it must report too.

use std::{fs, process::Command};

use super::{Judged, Tally, seen::Seen, specimen::Specimen};
use crate::{lab::programs, simulated::random::Random};

/// So many random damages, one bit each, in ring or bundle; every fourth time the file is cut there instead.
#[must_use]
pub fn sample(specimen: &Specimen, times: u64, seed: u64) -> Tally {
    let folder = tempfile::Builder::new().prefix("ingero-damage-").tempdir().unwrap();
    let ring = folder.path().join("ring");
    fs::create_dir(&ring).unwrap();
    let place = |path: &std::path::Path| ring.join(path.file_name().unwrap());
    fs::write(ring.join("RING"), &specimen.identity).unwrap();
    specimen.files.iter().for_each(|(path, bytes)| fs::write(place(path), bytes).unwrap());
    let bundle = folder.path().join("x.ingero");
    let verify = |path: &std::path::Path| {
        let output = Command::new(programs().join("ingeroctl")).arg("verify").arg(path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text + &String::from_utf8_lossy(&output.stdout))
    };
    let (truth, in_bundle) = (specimen.truth(), Seen::bundle(&specimen.bundle));
    let (mut tally, mut random) = (Tally::default(), Random::new(seed));
    tally.count(|| "the undamaged ring".into(), judge(&truth, &truth, verify(&ring)));
    let paths: Vec<_> = specimen.files.keys().collect();
    for _ in 0..times {
        let path = paths[random.below(paths.len() as u64) as usize];
        let of_bundle = random.one_in(3);
        let whole = if of_bundle { &specimen.bundle } else { &specimen.files[path] };
        let (mut bytes, bit) = (whole.clone(), random.below(whole.len() as u64 * 8) as usize);
        let cut = random.one_in(4);
        if cut {
            bytes.truncate(bit / 8);
        } else {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let judged = if of_bundle {
            fs::write(&bundle, &bytes).unwrap();
            judge(&Seen::bundle(&bytes), &in_bundle, verify(&bundle))
        } else {
            fs::write(place(path), &bytes).unwrap();
            let mut files = specimen.files.clone();
            files.insert(path.clone(), bytes);
            let judged = judge(&Seen::ring(&files), &truth, verify(&ring));
            fs::write(place(path), whole).unwrap();
            judged
        };
        let what = if of_bundle { "bundle".into() } else { path.display().to_string() };
        tally.count(|| format!("{what} byte {} bit {}, cut {cut}", bit / 8, bit % 8), judged);
    }
    tally
}

fn judge(seen: &Seen, truth: &Seen, (code, text): (Option<i32>, String)) -> Result<Judged, String> {
    let reported = code == Some(3);
    if text.contains("panicked") || !matches!(code, Some(0 | 3)) {
        return Err(format!("exit {code:?}: {text}"));
    }
    if !seen.reported.is_empty() && !reported {
        return Err(format!("{:?} is not seen: {text}", seen.reported));
    }
    let lost = truth.rows.len() - seen.rows.len();
    Ok(Judged { reported, harmless: code == Some(0), lost })
}
