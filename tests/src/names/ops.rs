//! Operations of all layers.

use ingero_format::{
    ops::{OPS, Op, Source, family, source},
    row::flags,
};

use super::page::{Page, block, code, numbered, read};

const TABLE: &str = "format/src/ops/table.rs";
const KERNEL: &str = "ebpf/abi/src/record.rs";

/// Lines `NAME = number, "name", Group;`.
fn constants() -> Vec<(String, u16, String)> {
    let text = read(TABLE);
    let lines = text.split("\nops! {").nth(1).unwrap().lines().map(str::trim);
    let entries = lines.filter(|line| !line.starts_with("//")).filter_map(|line| {
        let (constant, rest) = line.split_once(" = 0x")?;
        let (number, rest) = rest.split_once(", \"")?;
        Some((constant.to_owned(), u16::from_str_radix(number, 16).ok()?, rest.split('"').next()?.to_owned()))
    });
    entries.collect()
}

/// The kernel side's operations: module, constant, number.
fn kernel_side() -> Vec<(String, String, u64)> {
    let text = read(KERNEL);
    let modules = text.split("\npub mod ").skip(1).map(|rest| rest.split(' ').next().unwrap());
    let modules = modules.filter(|name| name.ends_with("_op"));
    let of = |module: &str| {
        let inside = numbered(block(&text, &format!("pub mod {module} ")));
        inside.into_iter().map(|(name, number)| (module.to_owned(), name, number)).collect::<Vec<_>>()
    };
    modules.flat_map(of).collect()
}

/// The view that has its rows, or what becomes of them.
fn view(op: &Op) -> &'static str {
    match (source(op.number), op.name) {
        (Source::Cuda, _) => "cuda_calls",
        (Source::Sched, _) => "off_cpu",
        (Source::Process | Source::Host, _) => "host_events",
        (Source::Meta, "loss") => "losses",
        (Source::Meta, "sample") => "samples",
        (Source::Meta, "annotation") => "annotations",
        (Source::Meta, "covered") => "processes",
        (Source::Meta, "stack_part") => "stacks",
        (Source::Meta, _) => "",
    }
}

pub(super) fn write(page: &mut Page) {
    page.heading(
        "Operations",
        "`number` is `op` in rows and in the kernel's events; the name is that of the exported symbol without version and stream\n\
         suffix, or what happened. The same word in the column `op` of all views, in `op` of all JSON, and in the label `op` of\n\
         `ingero_cuda_calls_total`. Constants are of `ingero_format::ops`, and of `ingero_ebpf_abi` where the kernel's side names them.",
    );
    page.table(&["number", "name", "constant", "BPF", "layer", "source, kind", "group", "view"]);
    let (constants, kernel) = (constants(), kernel_side());
    page.agree("number of operations", (TABLE, constants.len()), ("format::ops::OPS", OPS.len()));
    for (op, (constant, number, name)) in OPS.iter().zip(&constants) {
        page.agree(
            "operation",
            (TABLE, (*number, name.as_str())),
            ("format::ops::OPS", (op.number, op.name)),
        );
        let theirs = kernel.iter().find(|(.., n)| *n == u64::from(op.number));
        if let Some((module, other, _)) = theirs {
            let place = format!("{KERNEL}: {module}");
            page.agree(&format!("operation {number:#06x}"), (TABLE, constant.as_str()), (&place, other));
        }
        let made_there = matches!(source(op.number), Source::Sched | Source::Process | Source::Host);
        page.holds(theirs.is_some() == made_there, || {
            format!("operation {number:#06x} `{name}` stands in {TABLE}; {KERNEL} must name it if, and only if, the kernel makes it")
        });
        if op.number >= 0x2000 {
            page.agree("name of the constant", (TABLE, constant.to_lowercase()), (TABLE, name.clone()));
        }
        let bpf = theirs.map_or(String::new(), |(module, name, _)| format!("{module}::{name}"));
        let (own, kind) = (source(op.number).name(), family(op.number));
        let own = if own == kind { code(own) } else { format!("`{own}`, `{kind}`") };
        let group = format!("`{:?}`", op.group);
        page.row(&[
            format!("`{:#06x}`", op.number),
            code(op.name),
            code(constant),
            code(&bpf),
            code(op.layer()),
            own,
            group,
            code(view(op)),
        ]);
    }
    for (module, name, number) in &kernel {
        page.holds(OPS.iter().any(|op| u64::from(op.number) == *number), || {
            format!("{KERNEL}: {module}::{name} has number {number:#06x}, which {TABLE} has not")
        });
    }
    bits(page);
}

/// Bits of `flags`.
fn bits(page: &mut Page) {
    page.heading("Flags of a row", "`ingero_format::row::flags` and `ingero_ebpf_abi::flags`; `docs/FORMAT.md` section 3 says what they mean.");
    page.table(&["bit", "name", "SQL"]);
    let theirs = numbered(block(&read(KERNEL), "pub mod flags "));
    let ours = numbered(block(&read("format/src/row.rs"), "pub mod flags "));
    page.agree("flags", (&format!("{KERNEL}: flags"), &theirs), ("format/src/row.rs: flags", &ours));
    for (name, bit) in &ours {
        let sql = match name.as_str() {
            "OPEN" => "column `open`",
            "PREEMPTED" => "`off_cpu.state` is `runnable`",
            _ => "–",
        };
        page.row(&[bit.to_string(), code(name), sql.to_owned()]);
    }
    page.agree(
        "flag",
        ("format::row::flags::ENTRY_ONLY", u64::from(flags::ENTRY_ONLY)),
        ("its text", ours.last().unwrap().1),
    );
}
