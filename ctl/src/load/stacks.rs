//! Stacks by content, their frames named.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt};
use ingero_format::bundle::{UserFrame, UserSymbols};

use super::collect::{Collector, Event};
use crate::{
    demangle::demangled,
    model::{Frame, NONE, Stack},
};

/// Whose code a stack is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Code {
    Kernel,
    User,
}

/// Stacks in the order in which events name them.
pub(super) struct StackTable {
    kernel: BTreeMap<u64, (String, u64)>,
    /// By process and address.
    user: HashMap<(u32, u64), Frame>,
    /// By epoch and id, those of user code also by process.
    by_id: HashMap<(u64, u32, Code, u32), u32>,
    by_content: HashMap<Stack, u32>,
    pub list: Vec<Stack>,
}

impl StackTable {
    /// Takes what the bundles name; of several names for an address the first that is one counts.
    pub fn new(kernel: Vec<(u64, String, u64)>, user: &[UserSymbols]) -> Self {
        let kernel =
            kernel.into_iter().map(|(address, symbol, offset)| (address, (symbol, offset))).collect();
        let mut named: HashMap<(u32, u64), Frame> = HashMap::new();
        for symbols in user {
            for frame in &symbols.frames {
                let known = named.entry((frame.pid, frame.address)).or_default();
                if known.symbol.is_none() && (known.address.is_empty() || !frame.symbol.is_empty()) {
                    *known = shown(frame, symbols);
                }
            }
        }
        Self { kernel, user: named, by_id: HashMap::new(), by_content: HashMap::new(), list: Vec::new() }
    }

    /// The stack of an event, or [`NONE`].
    pub fn of(&mut self, from: &Collector, event: &Event, code: Code) -> u32 {
        let (epoch, id) = (event.epoch, event.row.stack);
        if id == 0 {
            return NONE;
        }
        let key = (epoch, id, code, if code == Code::User { event.row.pid } else { 0 });
        if let Some(known) = self.by_id.get(&key) {
            return *known;
        }
        let place = from.names.stack(epoch, id).map_or(NONE, |addresses| {
            let stack = match code {
                Code::Kernel => self.kernel_stack(&addresses),
                Code::User => self.user_stack(event.row.pid, &addresses),
            };
            let next = self.list.len() as u32;
            *self.by_content.entry(stack.clone()).or_insert_with(|| {
                self.list.push(stack);
                next
            })
        });
        self.by_id.insert(key, place);
        place
    }

    fn kernel_stack(&self, addresses: &[u64]) -> Stack {
        let frame = |address: &u64| {
            let known = self.kernel.get(address);
            Frame {
                symbol: known.map(|(symbol, _)| symbol.clone()),
                offset: known.map(|(_, offset)| *offset),
                address: format!("{address:#x}"),
                ..Frame::default()
            }
        };
        let frames = addresses.iter().map(frame).skip_while(is_probe).collect();
        Stack { kind: "kernel".to_owned(), frames }
    }

    fn user_stack(&self, pid: u32, addresses: &[u64]) -> Stack {
        let unknown = |address: &u64| Frame { address: format!("{address:#x}"), ..Frame::default() };
        let frame =
            |address: &u64| self.user.get(&(pid, *address)).cloned().unwrap_or_else(|| unknown(address));
        Stack { kind: "user".to_owned(), frames: addresses.iter().map(frame).collect() }
    }
}

// Without a symbol the offset is that in the module's file.
fn shown(frame: &UserFrame, symbols: &UserSymbols) -> Frame {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let named = !frame.symbol.is_empty();
    let module = symbols.modules.get(frame.module as usize).map(|module| module.path.clone());
    Frame {
        symbol: named.then(|| demangled(&frame.symbol).into_owned()),
        offset: (named || module.is_some()).then_some(if named { frame.offset } else { frame.file_offset }),
        module,
        file: some(&frame.file),
        line: (frame.line > 0).then_some(frame.line),
        address: format!("{:#x}", frame.address),
    }
}

/// The innermost frames of a kernel stack are those of the probe that took it, up to the scheduler.
fn is_probe(frame: &Frame) -> bool {
    const PROBE: [&str; 4] = ["bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_"];
    frame.symbol.as_deref().is_some_and(|symbol| PROBE.iter().any(|prefix| symbol.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use ingero_format::{
        Row,
        bundle::{Module, NO_MODULE},
        ops,
    };

    use super::*;
    use crate::load::tests::{BEGIN, Draft, launch, meta, read};

    #[test]
    fn frames_of_user_code_have_symbol_module_and_line_and_without_them_the_offset_in_the_file() {
        let mut draft = Draft::new(10);
        let frame = |address, module, symbol: &str, offset, line| UserFrame {
            pid: 100,
            address,
            module,
            file_offset: 0x4000 + address,
            symbol: symbol.into(),
            offset,
            file: if line > 0 { "loop.cc".into() } else { String::new() },
            line,
        };
        draft.user_symbols = UserSymbols {
            modules: vec![Module { path: "/opt/engine".into(), build_id: vec![1] }],
            frames: vec![
                frame(0x10, 0, "_ZN6engine4stepEi", 5, 42),
                frame(0x20, 0, "", 0, 0),
                frame(0x30, NO_MODULE, "evil\u{1b}[2J", 1, 0),
                UserFrame { pid: 7, ..frame(0x40, 0, "of_another_process", 1, 0) },
            ],
        };
        let part =
            |ret, arg0, arg1| Row { ret, flags: 2, stack: 9, arg0, arg1, ..meta(ops::STACK_PART, BEGIN) };
        draft.frames.push((vec![part(0, 0x10, 0x20), part(1, 0x30, 0x40)], 0));
        draft.frames.push((vec![Row { stack: 9, ..launch(0, 10, 5, 0xf1) }], 0));
        let trace = read(&draft);
        let stack = &trace.stacks[trace.calls[0].stack as usize];
        assert_eq!(stack.kind, "user");
        let frames: Vec<_> = stack
            .frames
            .iter()
            .map(|f| (f.symbol.as_deref(), f.offset, f.module.as_deref(), f.file.as_deref(), f.line))
            .collect();
        assert_eq!(
            frames,
            [
                (Some("engine::step(int)"), Some(5), Some("/opt/engine"), Some("loop.cc"), Some(42)),
                (None, Some(0x4020), Some("/opt/engine"), None, None),
                (Some("evil\u{1b}[2J"), Some(1), None, None, None),
                (None, None, None, None, None),
            ]
        );
        assert_eq!(stack.frames[3].address, "0x40");
        // What a terminal would act upon is written as an escape.
        assert!(serde_json::json!(stack.frames).to_string().contains("evil\\u001b[2J"));
    }
}
