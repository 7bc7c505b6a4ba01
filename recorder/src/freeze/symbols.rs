//! Names of the addresses in the window's stacks, so that the bundle is readable elsewhere.
//!
//! Kernel addresses are looked up in the kernel's own list. Addresses in processes' code are told as file and
//! offset by what was mapped where, and named by the file's symbol table, if it is still there and there is
//! time.

mod kernel;
mod lookup;
#[cfg(test)]
mod tests;
mod user;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use ingero_format::{
    Row,
    bundle::{Symbols, UserSymbols},
    columns,
    frame::{self, Kind},
    head,
    ops::{self, Source},
    segment::{Dictionaries, Header, Scan, Step, file_name},
    state::State,
};

use super::links::FrozenSet;
use crate::{discover::Modules, storage::Storage};

/// Finds every stack address of this boot in a frozen set and names it.
pub(super) fn symbols(set: &FrozenSet, boot_id: [u8; 16], modules: &Modules) -> (Symbols, UserSymbols) {
    let mut addresses = Addresses::default();
    for segment in &set.segments {
        let path = set.directory.join(file_name(segment.seq));
        from_segment(&*set.storage, &path, boot_id, &mut addresses);
    }
    for slot in head::read(&set.head).map(|(slots, _)| slots).unwrap_or_default() {
        from_rows(&slot.rows, &mut addresses);
    }
    let user = user::resolve(&addresses.user, modules);
    (Symbols { kernel: kernel::resolve_all(&addresses.kernel) }, user)
}

/// What is to be named.
#[derive(Debug, Default)]
struct Addresses {
    kernel: BTreeSet<u64>,
    /// Process and address; each is one that a call returns to, since stacks are taken as a call returns.
    user: BTreeSet<(u32, u64)>,
}

impl Addresses {
    fn add(&mut self, pid: u32, address: u64) {
        match (pid, address) {
            (_, 0) => false,
            (0, address) => self.kernel.insert(address),
            (pid, address) => self.user.insert((pid, address)),
        };
    }
}

fn from_rows(rows: &[Row], addresses: &mut Addresses) {
    for row in rows.iter().filter(|r| r.op == ops::STACK_PART) {
        addresses.add(row.pid, row.arg0);
        addresses.add(row.pid, row.arg1);
    }
}

fn from_state(state: State, addresses: &mut Addresses) {
    let owners: HashMap<u32, u32> = state.owners.iter().map(|o| (o.stack, o.pid)).collect();
    for stack in state.stacks {
        let pid = owners.get(&stack.id).copied().unwrap_or(0);
        stack.frames.into_iter().for_each(|address| addresses.add(pid, address));
    }
}

fn from_segment(storage: &dyn Storage, path: &Path, boot_id: [u8; 16], addresses: &mut Addresses) {
    let Ok(view) = storage.open(path).and_then(|f| f.view()) else { return };
    let bytes = (*view).as_ref();
    let Ok(header) = Header::read(bytes) else { return };
    if header.boot_id != boot_id {
        return;
    }
    let dictionaries = Dictionaries::collect(bytes, &header);
    for step in Scan::new(bytes, &header) {
        let Step::Frame(_, frame, payload) = step else { continue };
        let content = frame.content().ok().flatten();
        if content == Some(Kind::State) {
            let state = frame::unpack_record(&frame, payload).and_then(|raw| State::read(&raw));
            from_state(state.unwrap_or_default(), addresses);
        } else if content == Some(Kind::Events) && frame.sources == 1 << Source::Meta as u8 {
            let decoded = columns::decode(&frame, payload, header.tick_ns, &dictionaries);
            from_rows(&decoded.unwrap_or_default().rows, addresses);
        }
    }
}

#[cfg(test)]
mod collected {
    use ingero_format::state::{Owner, Stack};

    use super::*;

    #[test]
    fn stacks_of_the_kernel_and_of_processes_are_told_apart_in_rows_and_in_state_records() {
        let mut addresses = Addresses::default();
        let part = |pid, ret, arg0, arg1| Row { op: ops::STACK_PART, pid, ret, arg0, arg1, ..Row::default() };
        from_rows(&[part(0, 0, 1, 2), part(7, 0, 10, 20), part(7, 1, 30, 0)], &mut addresses);
        let state = State {
            stacks: vec![Stack { id: 1, frames: vec![3] }, Stack { id: 2, frames: vec![20, 40] }],
            owners: vec![Owner { stack: 2, pid: 8 }],
            ..State::default()
        };
        from_state(state, &mut addresses);
        assert_eq!(addresses.kernel, BTreeSet::from([1, 2, 3]));
        assert_eq!(addresses.user, BTreeSet::from([(7, 10), (7, 20), (7, 30), (8, 20), (8, 40)]));
    }
}
