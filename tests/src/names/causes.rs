//! Why time passed: causes of findings, and states of threads off the CPU.

use super::page::{Page, code, read, snake, sources};

const LIST: &str = "ctl/src/investigate/finding.rs: KNOWN_CAUSES";

fn known() -> Vec<String> {
    let text = read("ctl/src/investigate/finding.rs");
    let list = text.split("const KNOWN_CAUSES").nth(1).unwrap().split("];").next().unwrap().to_owned();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Modules of the investigation that say a word.
fn said_in(word: &str, files: &[(String, String)]) -> Vec<String> {
    let quoted = format!("\"{word}\"");
    let saying = files.iter().filter(|(name, text)| !name.ends_with("/finding.rs") && text.contains(&quoted));
    saying
        .map(|(name, _)| name.trim_start_matches("ctl/src/investigate/").trim_end_matches(".rs").to_owned())
        .collect()
}

pub(super) fn write(page: &mut Page) {
    let (known, files) = (known(), sources("ctl/src/investigate"));
    page.heading(
        "Causes of findings",
        "`findings.cause` in SQL, `findings[].cause` of `explain --json`, what an assistant is told, and what the incident lab plants.\n\
         Modules are below `ctl/src/investigate`; classes are of `decompose::Class`, one for each nanosecond of a\n\
         slow unit, and stand in evidence by these names.",
    );
    page.table(&["name", "modules", "classes of time"]);
    let rules = read("ctl/src/investigate/cause.rs");
    for cause in &known {
        let homes = said_in(cause, &files);
        page.holds(!homes.is_empty(), || {
            format!("{LIST} has `{cause}`, nothing in ctl/src/investigate says it")
        });
        let constant = rules.lines().find_map(|l| {
            Some(l.strip_prefix("pub(super) const ")?.split_once(&format!(" = \"{cause}\""))?.0)
        });
        let constant = constant.map(|c| c.split(':').next().unwrap());
        let own = |line: &&str| {
            line.contains(&format!("Cause {{ name: \"{cause}\""))
                || constant.is_some_and(|c| line.contains(&format!("Cause {{ name: {c},")))
        };
        let classes = rules.lines().find(own).map_or(String::new(), |line| {
            let inside = line.split('[').nth(1).unwrap().split(']').next().unwrap();
            inside
                .split(", ")
                .map(|class| code(&snake(class.trim_start_matches("Class::"))))
                .collect::<Vec<_>>()
                .join(", ")
        });
        let homes: Vec<String> = homes.iter().map(|home| code(home)).collect();
        page.row(&[code(cause), homes.join(", "), if classes.is_empty() { "–".into() } else { classes }]);
    }
    let rule_names = rules.split("Cause { name: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in rule_names {
        page.holds(known.iter().any(|cause| cause == name), || {
            format!("ctl/src/investigate/cause.rs: CAUSES has `{name}`, {LIST} has not")
        });
    }
    planted(page, &known);
    states(page);
}

/// The incident lab plants causes by the same names.
fn planted(page: &mut Page, known: &[String]) {
    let plan = read("tests/src/incident/plan.rs");
    let ways = plan.split("const WAYS").nth(1).unwrap().split("];").next().unwrap();
    let words = ways.split("\n    (\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for word in words.filter(|word| !["quiet", "several"].contains(word)) {
        page.holds(known.iter().any(|cause| cause == word), || {
            format!("tests/src/incident/plan.rs: WAYS has `{word}`, {LIST} has not")
        });
    }
}

fn body(file: &str, block: &str) -> String {
    let text = read(file);
    let rest = text.split(block).nth(1).unwrap_or_else(|| panic!("{file} has no `{block}`"));
    rest.split("\n}").next().unwrap().to_owned()
}

/// Texts that the arms of a block give.
fn texts(file: &str, block: &str) -> Vec<String> {
    body(file, block).split(" => \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Names of another type's members that the arms of a block give.
fn named(file: &str, block: &str, of: &str) -> Vec<String> {
    let member = |rest: &str| snake(rest.split(',').next().unwrap());
    body(file, block).split(&format!(" => {of}::")).skip(1).map(member).collect()
}

/// How a thread left the CPU.
fn states(page: &mut Page) {
    const SQL: &str = "format/src/ops/task_state.rs";
    const METRICS: &str = "recorder/src/metrics/meters.rs";
    page.heading(
        "States of a thread off the CPU",
        "`off_cpu.state`, from the kernel's bits in a row's `ret`; `runnable` also by the flag `PREEMPTED`. `unknown` is NULL there. The label\n\
         `state` of `ingero_off_cpu_seconds` has some of them, and `other` for the rest.",
    );
    page.table(&["name", "label"]);
    let (sql, labels) = (texts(SQL, "impl TaskState"), named(METRICS, "impl State", "TaskState"));
    for name in &sql {
        page.row(&[code(name), if labels.contains(name) { "yes".into() } else { "–".into() }]);
    }
    page.holds(!labels.is_empty(), || format!("{METRICS}: State names nothing"));
    for name in labels.iter().filter(|name| !sql.contains(name)) {
        page.faults.push(format!("{METRICS}: State has `{name}`, {SQL}: TaskState has not"));
    }
}
