//! Who may ask for a snapshot, and why it is refused.

use ingero_recorder::trigger::Kind;

use super::{
    config::keys,
    page::{Page, code, read, snake},
};

const KINDS: &str = "recorder/src/trigger/kind.rs";

pub(super) fn write(page: &mut Page) {
    page.heading(
        "Triggers",
        "`name` in `triggers[].name` of `status --json`, in the label `trigger` of `ingero_recorder_trigger_*`, in `meta.trigger`, in MANIFEST\n\
         and journal; `kind` is `triggers[].kind`. Keys are of `[trigger.KIND]`.",
    );
    page.table(&["name", "kind", "`trigger::Kind`", "keys"]);
    let (keys, document, status) = (keys(), read("docs/TRIGGERS.md"), read("format/src/control.rs"));
    for kind in Kind::ALL {
        let (name, group, variant) = (kind.name(), kind.group(), format!("{kind:?}"));
        page.agree("trigger", (&format!("{KINDS}, variant"), snake(&variant)), (KINDS, name.to_owned()));
        let section = format!("trigger.{group}");
        let own: Vec<_> = keys.iter().filter(|key| key.section == section).collect();
        page.holds(own.is_empty() == matches!(name, "command" | "unit"), || {
            format!("{KINDS}: `{name}` is of `[{section}]`, packaging/recorder.toml has no key there")
        });
        page.holds(status.contains(&format!("`{group}`")), || {
            format!("{KINDS}: kind `{group}` is not told at format/src/control.rs: TriggerStatus::kind")
        });
        let told = if group == "predicate" { document.contains("[trigger.predicate]") } else { true };
        page.holds(told, || format!("docs/TRIGGERS.md has no [{section}]"));
        // Several of one section: each by its own keys, which begin as it does.
        let stem = name.trim_end_matches("_drop");
        let of = own.iter().filter(|key| group == name || key.name.starts_with(stem));
        let of: Vec<String> = of.map(|key| code(&key.name)).collect();
        page.holds(own.is_empty() || !of.is_empty(), || {
            format!("{KINDS}: `{name}` has no key in [{section}] of packaging/recorder.toml that begins with `{stem}`")
        });
        let shown = if of.is_empty() { "–".into() } else { of.join(", ") };
        page.row(&[code(name), code(group), format!("`{variant}`"), shown]);
    }
    refusals(page, &document);
}

fn refusals(page: &mut Page, document: &str) {
    const GATE: &str = "recorder/src/trigger/gate.rs";
    let gate = read(GATE);
    let names = gate.split("pub fn name(self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let pairs = names.split("Self::").skip(1).filter_map(|part| part.split_once(" => \""));
    let mut shown = Vec::new();
    for (variant, rest) in pairs {
        let name = rest.split('"').next().unwrap();
        page.agree("refusal", (&format!("{GATE}, variant"), snake(variant)), (GATE, name.to_owned()));
        page.holds(document.contains(&format!("`{name}`")), || {
            format!("{GATE}: Refusal has `{name}`, docs/TRIGGERS.md has not")
        });
        shown.push(code(name));
    }
    page.line("");
    page.line("Why one is refused, in `triggers[].refused[].reason` and in the label `reason` of `ingero_recorder_trigger_refused_total`:");
    page.line(&format!("{}.", shown.join(", ")));
}
