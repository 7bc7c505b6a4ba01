//! The state record: what a reader needs to understand a segment without its predecessors.
//!
//! A sequence of sections, `tag u16 | 0 u16 | len u32 | one list`, so that later versions add what they need:
//!
//! | tag | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
//! |---|---|---|---|---|---|---|---|
//! | list of | [`Account`] | [`Task`] | [`Stack`] | [`Handle`] | [`Process`] | [`Text`] | [`Owner`] |

use std::collections::BTreeSet;

use crate::{
    FormatError,
    bytes::Reader,
    codec::{self, Decode, Encode},
};

/// Everything known when a segment begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    /// What was counted up to the end of the previous segment, in this epoch.
    pub accounts: Vec<Account>,
    /// Threads and their names.
    pub tasks: Vec<Task>,
    /// Stacks in use.
    pub stacks: Vec<Stack>,
    /// Names of handles (kernels).
    pub handles: Vec<Handle>,
    /// Recorded processes.
    pub processes: Vec<Process>,
    /// Texts that rows to come may name: names of sampled quantities, and those told last.
    pub texts: Vec<Text>,
    /// Whose code the stacks of user code are in.
    pub owners: Vec<Owner>,
}

/// What one CPU produced for one source before some point, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Account {
    /// CPU that numbered them.
    pub cpu: u16,
    /// A [`crate::ops::Source`] as a number.
    pub source: u8,
    /// How many of its rows were written into frames.
    pub stored: u64,
    /// How many were declared lost.
    pub lost: u64,
}

/// A thread's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Task {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Since when, boottime ns.
    pub since_ns: u64,
    /// Name (`task_struct.comm`).
    pub comm: String,
}

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stack {
    /// Id used in rows, valid within the epoch.
    pub id: u32,
    /// Addresses, innermost first.
    pub frames: Vec<u64>,
}

/// What a handle is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Handle {
    /// Process id.
    pub pid: u32,
    /// The handle as the CUDA library gives it, e.g. a `CUfunction` (cuda.h).
    pub handle: u64,
    /// Name: of a kernel, as its symbol has it.
    pub name: String,
}

/// A text that rows name by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Text {
    /// Id used in rows, valid within the epoch.
    pub id: u32,
    /// The text.
    pub text: String,
}

/// A stack of user code; one without an owner is the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Owner {
    /// The stack's id.
    pub stack: u32,
    /// The process whose code its addresses are in.
    pub pid: u32,
}

/// A recorded process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, serde::Serialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// When it started, boottime ns.
    pub start_ns: u64,
    /// Since when its calls are recorded, boottime ns.
    pub covered_ns: u64,
    /// Name.
    pub comm: String,
    /// Path of its program.
    pub exe: String,
    /// Its cgroup, a path as in `/proc/PID/cgroup` (cgroups(7)).
    pub cgroup: String,
    /// CUDA libraries it maps.
    pub libraries: Vec<String>,
}

/// Bytes before each section.
const SECTION_HEADER_BYTES: usize = 8;
const WHAT: &str = "state record";

impl State {
    /// Serialises the record (not yet compressed). Empty lists are left out.
    ///
    /// # Errors
    /// If a list exceeds [`codec::RECORD_LIMIT`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, FormatError> {
        let mut out = Vec::new();
        put(&mut out, 1, &self.accounts)?;
        put(&mut out, 2, &self.tasks)?;
        put(&mut out, 3, &self.stacks)?;
        put(&mut out, 4, &self.handles)?;
        put(&mut out, 5, &self.processes)?;
        put(&mut out, 6, &self.texts)?;
        put(&mut out, 7, &self.owners)?;
        Ok(out)
    }

    /// Reads a record; sections of a later version are left alone.
    ///
    /// # Errors
    /// [`crate::Reason::Short`] for a section that ends after the bytes do, [`crate::Reason::Content`] for a bad
    /// list, [`crate::Reason::Range`] for a section that comes twice.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new(WHAT, bytes);
        let mut state = Self::default();
        let mut seen = BTreeSet::new();
        while !r.rest().is_empty() {
            let at = r.position();
            let (tag, _) = (r.u16()?, r.u16()?);
            let len = r.u32()? as usize;
            let section = r.take(len)?;
            if !seen.insert(tag) {
                return Err(r.range("section tag", tag.into(), "each at most once"));
            }
            state.section(tag, section).map_err(|e| e.shifted((at + SECTION_HEADER_BYTES) as u64))?;
        }
        Ok(state)
    }

    fn section(&mut self, tag: u16, bytes: &[u8]) -> Result<(), FormatError> {
        match tag {
            1 => self.accounts = codec::decode(WHAT, bytes)?,
            2 => self.tasks = codec::decode(WHAT, bytes)?,
            3 => self.stacks = codec::decode(WHAT, bytes)?,
            4 => self.handles = codec::decode(WHAT, bytes)?,
            5 => self.processes = codec::decode(WHAT, bytes)?,
            6 => self.texts = codec::decode(WHAT, bytes)?,
            7 => self.owners = codec::decode(WHAT, bytes)?,
            _ => {}
        }
        Ok(())
    }
}

fn put<T: Encode>(out: &mut Vec<u8>, tag: u16, list: &Vec<T>) -> Result<(), FormatError> {
    if list.is_empty() {
        return Ok(());
    }
    let bytes = codec::encode(WHAT, list)?;
    out.extend(tag.to_le_bytes());
    out.extend([0; 2]);
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    fn sample() -> State {
        State {
            accounts: vec![Account { cpu: 1, source: 1, stored: 100, lost: 5 }],
            tasks: vec![Task { pid: 10, tid: 11, since_ns: 900_000, comm: "loop".into() }],
            stacks: vec![Stack { id: 1, frames: vec![2, 3] }],
            handles: vec![Handle { pid: 10, handle: 4, name: "gemm".into() }],
            processes: vec![Process { pid: 10, comm: "engine".into(), ..Process::default() }],
            texts: vec![Text { id: 9, text: "load1".into() }],
            owners: vec![Owner { stack: 1, pid: 10 }],
        }
    }

    #[test]
    fn a_state_reads_back_and_empty_lists_take_no_bytes() {
        let bytes = sample().to_bytes().unwrap();
        assert_eq!(State::read(&bytes), Ok(sample()));
        assert_eq!(State::default().to_bytes(), Ok(Vec::new()));
        assert_eq!(State::read(&[]), Ok(State::default()));
    }

    #[test]
    fn sections_of_a_later_version_are_passed_over_wherever_they_stand() {
        let known = sample().to_bytes().unwrap();
        let later = [99, 0, 7, 7, 3, 0, 0, 0, 1, 2, 3];
        assert_eq!(State::read(&[later.as_slice(), &known].concat()), Ok(sample()));
        assert_eq!(State::read(&[known.as_slice(), &later].concat()), Ok(sample()));
        let twice = State::read(&[later, later].concat()).unwrap_err();
        assert!(matches!(twice.reason, Reason::Range { field: "section tag", value: 99, .. }));
        assert!(State::read(&[known.as_slice(), &known].concat()).is_err());
    }

    #[test]
    fn a_section_that_is_cut_or_not_filled_is_refused() {
        let whole = sample().to_bytes().unwrap();
        let ends: Vec<usize> = {
            let mut at = 0;
            std::iter::from_fn(|| {
                let len = u32::from_le_bytes(whole.get(at + 4..at + 8)?.try_into().unwrap());
                at += 8 + len as usize;
                Some(at)
            })
            .collect()
        };
        for cut in 1..whole.len() {
            assert_eq!(State::read(&whole[..cut]).is_ok(), ends.contains(&cut), "cut at {cut}");
        }
        assert!(State::read(&[1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
