//! Families of metrics with their labels, and names of samples.

use ingero_recorder::metrics::family::{ALL, Unit};

use super::{
    page::{Page, code, read, snake, sources},
    units,
};

/// Labels that METRICS.md names in a row: those in braces.
fn labels(row: &str) -> Vec<String> {
    let inside = row.rsplit_once('{').map_or("", |(_, rest)| rest.split('}').next().unwrap());
    let names = inside.split(':').next().unwrap().split(" as in ").next().unwrap();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

pub(super) fn write(page: &mut Page) {
    let document = read("docs/METRICS.md");
    let code_text: String = sources("recorder/src/metrics").into_iter().map(|(_, text)| text).collect();
    page.heading(
        "Metrics",
        "Families as a Prometheus and a collector see them (`recorder/src/metrics/family.rs`, `docs/METRICS.md`); what is without unit is a count.\n\
         Those from `ingero_probed_functions` on have `pid` and `comm` too.",
    );
    page.table(&["family", "constant", "kind", "unit", "labels"]);
    let text = read("recorder/src/metrics/family.rs");
    for about in ALL {
        let name = about.name();
        let entry = text.lines().find(|line| line.contains(&format!(" \"{}\" ", about.stem)));
        let constant = entry.map_or("?", |line| line.trim().split(' ').next().unwrap());
        let row = document.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        page.holds(row.is_some(), || {
            format!("recorder/src/metrics/family.rs has {name}, docs/METRICS.md has not")
        });
        let labels = labels(row.unwrap_or_default());
        for label in &labels {
            page.holds(code_text.contains(&format!("(\"{label}\", ")), || {
                format!("docs/METRICS.md: {name} has the label `{label}`, which nothing in recorder/src/metrics makes")
            });
        }
        let plain = name.trim_end_matches("_total");
        if about.unit == Unit::None {
            // A unit inside the name of what is counted would be one that nobody reads.
            units::check_count(page, &format!("recorder/src/metrics/family.rs: {name}"), plain);
        } else {
            units::check(page, &format!("recorder/src/metrics/family.rs: {name}"), plain);
        }
        let labels: Vec<String> = labels.iter().map(|label| code(label)).collect();
        let labels = if labels.is_empty() { "–".into() } else { labels.join(", ") };
        let unit = about.unit.name().unwrap_or("–").to_owned();
        page.row(&[code(&name), code(constant), snake(&format!("{:?}", about.kind)), unit, labels]);
    }
    samples(page);
}

/// Names of samples: what the modules that read numbers give as a name.
fn samples(page: &mut Page) {
    page.heading(
        "Samples",
        "`samples.name` in SQL: read at intervals by the module of `recorder/src/sample` that is named. Of engines' pages the names are the engine's.",
    );
    page.table(&["name", "module"]);
    let mut listed = Vec::new();
    for (file, text) in sources("recorder/src/sample") {
        let module = file.trim_start_matches("recorder/src/sample/").trim_end_matches(".rs").to_owned();
        for word in text.split('"').skip(1).step_by(2) {
            let begins = ["psi_", "cpu_seconds", "memory_", "cgroup_", "gpu_", "load", "tasks_", "ingero_"];
            let is_name = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let known = listed.contains(&word.to_owned());
            if is_name && word != "loadavg" && begins.iter().any(|begin| word.starts_with(begin)) && !known {
                listed.push(word.to_owned());
                // What only rises and has no unit is a count.
                let is_count = |stem| units::suffix(stem).is_none();
                if !word.strip_suffix("_total").is_some_and(is_count) {
                    units::check(page, &format!("{file}: {word}"), word.trim_end_matches("_total"));
                }
                page.row(&[code(word), code(&module)]);
            }
        }
    }
    for name in listed.iter().filter(|name| name.starts_with("ingero_")) {
        page.holds(ALL.iter().any(|about| about.name() == *name), || {
            format!("recorder/src/sample/own.rs: {name} is no family of recorder/src/metrics/family.rs")
        });
    }
}
