//! Sources, and the kinds of them that can be switched on.

use std::collections::BTreeSet;

use ingero_format::ops::{OPS, Source, family};
use ingero_recorder::config::Config;

use super::page::{Page, block, code, numbered, read, snake};

const KERNEL: &str = "ebpf/abi/src/counters.rs: Source";
const FORMAT: &str = "format/src/ops.rs: Source";

/// Values that a key of the configuration takes, as its reader tells them when it is given another.
pub(super) fn allowed(section: &str, key: &str, list: bool) -> Vec<String> {
    let value = if list { "[\"-\"]" } else { "\"-\"" };
    // A key that takes any text has no list.
    let Err(told) = Config::parse(&format!("[{section}]\n{key} = {value}\n")) else { return Vec::new() };
    told.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

pub(super) fn write(page: &mut Page) {
    let kernel = numbered(block(&read("ebpf/abi/src/counters.rs"), "pub enum Source"));
    page.heading(
        "Sources",
        "Who produced an event; each CPU numbers each source by itself. The same word in `losses.source`, in `losses[].source` of\n\
         `status --json` and `verify --json`, and in the label `source` of `ingero_recorder_events_lost_total`.",
    );
    page.table(&["number", "name", "format", "BPF", "`[probes] sources`"]);
    let keys = allowed("probes", "sources", true);
    for source in Source::ALL {
        let (number, variant) = (source as u64, format!("{source:?}"));
        page.agree(
            "source",
            (&format!("{FORMAT}, variant"), snake(&variant)),
            (FORMAT, source.name().to_owned()),
        );
        let theirs = kernel.iter().find(|(_, n)| *n == number).map(|(name, _)| name.clone());
        page.agree(&format!("source {number}"), (FORMAT, Some(variant.clone())), (KERNEL, theirs));
        let key = match source {
            Source::Host => "by kind, below".to_owned(),
            Source::Meta => "always".to_owned(),
            _ => code(source.name()),
        };
        let (format, bpf) = (format!("`ops::Source::{variant}`"), format!("`Source::{variant}`"));
        page.row(&[number.to_string(), code(source.name()), format, bpf, key]);
    }
    page.agree("number of sources", (FORMAT, Source::ALL.len()), (KERNEL, kernel.len()));
    kinds(page, &keys);
}

fn kinds(page: &mut Page, keys: &[String]) {
    page.line("");
    page.line("Kinds of them that `[probes] sources` switches on, and that `host_events.source` tells:");
    page.line("");
    page.table(&["name", "source", "operations", "`config::SourceName`"]);
    let variants = read("recorder/src/config.rs");
    let variants = block(&variants, "pub enum SourceName").to_owned();
    let families: BTreeSet<&str> = OPS.iter().map(|op| family(op.number)).filter(|f| *f != "meta").collect();
    for key in keys {
        let variant = variants.lines().map(|l| l.trim().trim_end_matches(',')).find(|l| snake(l) == *key);
        let named = OPS.iter().filter(|op| match key.as_str() {
            "nccl" => op.layer() == "nccl",
            "cuda" => family(op.number) == "cuda" && op.layer() != "nccl",
            other => family(op.number) == other,
        });
        let named: Vec<_> = named.collect();
        page.holds(!named.is_empty(), || {
            format!("recorder/src/config.rs: SourceName has `{key}`, format/src/ops.rs: family has no operation of it")
        });
        let source = named.first().map_or("", |op| ingero_format::ops::source(op.number).name());
        let shown = match named.as_slice() {
            few if few.len() < 4 => few.iter().map(|op| code(op.name)).collect::<Vec<_>>().join(", "),
            many => format!("{} of those below", many.len()),
        };
        page.row(&[code(key), code(source), shown, format!("`{}`", variant.unwrap_or("?"))]);
    }
    for family in families {
        page.holds(keys.iter().any(|key| key == family), || {
            format!("format/src/ops.rs: family has `{family}`, recorder/src/config.rs: SourceName has not")
        });
    }
}
