//! What a recording says of itself.

use super::{Names, kept};
use crate::{ingero::POPULATION, model::Facts};

/// Replaces what names the machine, the file and who asked. Reasons are dropped: they are text of people.
pub(super) fn redact(names: &mut Names, facts: &mut Facts) {
    facts.redacted = true;
    facts.file = names.of("file", &facts.file);
    facts.sha256 = words(names, "digest", &facts.sha256);
    facts.snapshot = words(names, "snapshot", &facts.snapshot);
    for clocks in &mut facts.clocks {
        clocks.snapshot = words(names, "snapshot", &clocks.snapshot);
    }
    for trigger in &mut facts.triggers {
        let kind = trigger.split_once(": ").map_or(trigger.as_str(), |(kind, _)| kind);
        *trigger = if kept::is_trigger(kind) { kind.to_owned() } else { names.of("trigger", kind) };
    }
    facts.boot_id = names.of("boot", &facts.boot_id);
    facts.config_digest = names.of("config", &facts.config_digest);
    facts.kernel = release(names, &facts.kernel);
    if !kept::is_machine(&facts.machine) {
        facts.machine = names.of("machine", &facts.machine);
    }
    for gpu in facts.gpus.iter_mut().filter(|gpu| !kept::is_gpu(gpu)) {
        *gpu = names.of("gpu", gpu);
    }
    for version in [&mut facts.driver, &mut facts.recorder_version] {
        if !kept::is_version(version) {
            *version = names.of("version", version);
        }
    }
    if facts.population != POPULATION {
        facts.population = said(names, &facts.population);
    }
    let lists = [&mut facts.notes, &mut facts.not_probed, &mut facts.damage];
    lists.into_iter().flatten().for_each(|text| *text = said(names, text));
}

fn words(names: &mut Names, kind: &'static str, list: &str) -> String {
    list.split(' ').map(|word| names.of(kind, word)).collect::<Vec<_>>().join(" ")
}

/// The version of a kernel stays; what distributions and companies append to it does not.
fn release(names: &mut Names, release: &str) -> String {
    let numbers = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let version = release.split_once(|c| !numbers(c)).map_or(release, |(version, _)| version);
    if version == release {
        return release.to_owned();
    }
    let version = version.trim_end_matches(['-', '.']);
    let dash = if version.is_empty() { "" } else { "-" };
    names.shaped("release", release, |n| format!("{version}{dash}release-{n}"))
}

/// A sentence of the recorder or of this program: its words up to the first that is not one of theirs, for which and
/// all that follows a pseudonym stands.
fn said(names: &mut Names, text: &str) -> String {
    let known: Vec<&str> = text.split(' ').take_while(|word| kept::is_said(word)).collect();
    let known = known.join(" ");
    if known == text {
        return known;
    }
    let space = if known.is_empty() { "" } else { " " };
    names.shaped("note", text, |n| format!("{known}{space}note-{n}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_sentence_the_words_of_these_programs_stay() {
        let mut names = Names::default();
        let kept = [
            "overhead budget: launches were recorded at times, without their ends, if not all the time",
            "the recorder holds nothing for the first 1.36 s of the window asked for",
            "the newest events had not all been drained when the window was closed",
            "the window ends 250 ms before the last time asked for",
            "segment 3 is missing",
            "3 rows with impossible times were left out",
            "head: 4 torn rows",
            "",
        ];
        for text in kept {
            assert_eq!(said(&mut names, text), text);
        }
        assert_eq!(said(&mut names, "cuLaunchKernel: acme"), "cuLaunchKernel: note-1");
        assert_eq!(
            said(&mut names, "segment 3: bytes 4 to 9: acme is missing"),
            "segment 3: bytes 4 to 9: note-2"
        );
        assert_eq!(said(&mut names, "Acme"), "note-3");
        assert_eq!(said(&mut names, "the\u{a0}acme\tnode"), "note-4");
    }

    #[test]
    fn of_a_kernel_s_release_its_numbers_stay() {
        let mut names = Names::default();
        let mut release = |text| super::release(&mut names, text);
        assert_eq!(release("6.18.5"), "6.18.5");
        assert_eq!(release("6.8.0-1013-acme"), "6.8.0-1013-release-1");
        assert_eq!(release("6.8.0-1013-other"), "6.8.0-1013-release-2");
        assert_eq!(release("acme"), "release-3");
        assert_eq!(release(""), "");
    }

    #[test]
    fn a_reason_is_dropped_and_what_asked_stays() {
        let mut names = Names::default();
        let triggers = ["webhook: acme: down", "acme: x", "command: "].map(str::to_owned).to_vec();
        let mut facts = Facts { triggers, ..Facts::default() };
        redact(&mut names, &mut facts);
        assert_eq!(facts.triggers, ["webhook", "trigger-1", "command"]);
    }
}
