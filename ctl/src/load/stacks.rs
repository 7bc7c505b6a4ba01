//! Stacks by content, their frames named.

use std::collections::{BTreeMap, HashMap};

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
    by_id: HashMap<(u64, u32, Code), u32>,
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
        if let Some(known) = self.by_id.get(&(epoch, id, code)) {
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
        self.by_id.insert((epoch, id, code), place);
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
