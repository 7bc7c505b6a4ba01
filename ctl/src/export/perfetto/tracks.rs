//! Tracks: one for each process and thread, others below them, each described once.

use std::io::{self, Write};

use foldhash::{HashMap, HashMapExt};

use super::{
    packets::Packets,
    proto::{CounterDescriptor, ProcessDescriptor, ThreadDescriptor, TrackDescriptor},
};
use crate::sqlite::TaskRow;

/// Process ids have at most 22 bits (`PID_MAX_LIMIT`, `include/linux/threads.h`): the next ones tell machines apart, so
/// that processes of two machines with one id are two.
const PID_BITS: u32 = 22;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Process(usize, u32),
    Thread(usize, u32, u32),
    Below(u64, String),
}

/// Numbers of tracks.
#[derive(Debug, Default)]
pub struct Tracks {
    numbers: HashMap<Key, u64>,
    nodes: Vec<String>,
    /// Names of processes by machine and id.
    processes: HashMap<(String, u32), String>,
}

impl Tracks {
    /// `processes`: names by machine and id.
    pub fn new(processes: HashMap<(String, u32), String>) -> Self {
        Self { numbers: HashMap::new(), nodes: Vec::new(), processes }
    }

    /// The machine's number, the first one 0.
    fn node(&mut self, name: &str) -> usize {
        self.nodes.iter().position(|n| n == name).unwrap_or_else(|| {
            self.nodes.push(name.to_owned());
            self.nodes.len() - 1
        })
    }

    fn take(&mut self, key: Key) -> (u64, bool) {
        let next = self.numbers.len() as u64 + 1;
        let number = *self.numbers.entry(key).or_insert(next);
        (number, number == next)
    }

    /// The track of a process.
    ///
    /// # Errors
    /// As the output does.
    pub fn process<W: Write>(&mut self, packets: &mut Packets<W>, node: &str, pid: u32) -> io::Result<u64> {
        let at = self.node(node);
        let (uuid, new) = self.take(Key::Process(at, pid));
        if new {
            let name = self.processes.get(&(node.to_owned(), pid)).cloned().unwrap_or_default();
            // A machine is only named where there are several.
            let name = if at == 0 { name } else { format!("{name} on {node}") };
            let process = ProcessDescriptor { pid: Some(shown(at, pid)), process_name: Some(name) };
            let track =
                TrackDescriptor { uuid: Some(uuid), process: Some(process), ..TrackDescriptor::default() };
            packets.track(track)?;
        }
        Ok(uuid)
    }

    /// The track of a thread; its name is the first one seen.
    ///
    /// # Errors
    /// As the output does.
    pub fn thread<W: Write>(&mut self, packets: &mut Packets<W>, task: &TaskRow) -> io::Result<u64> {
        let at = self.node(&task.node);
        let (uuid, new) = self.take(Key::Thread(at, task.pid, task.tid));
        if new {
            let parent = self.process(packets, &task.node, task.pid)?;
            let thread = ThreadDescriptor {
                pid: Some(shown(at, task.pid)),
                tid: Some(shown(at, task.tid)),
                thread_name: Some(task.comm.clone()),
            };
            packets.track(TrackDescriptor {
                uuid: Some(uuid),
                thread: Some(thread),
                parent_uuid: Some(parent),
                ..TrackDescriptor::default()
            })?;
        }
        Ok(uuid)
    }

    /// A track of slices below another one; 0 is the trace itself.
    ///
    /// # Errors
    /// As the output does.
    pub fn below<W: Write>(&mut self, packets: &mut Packets<W>, parent: u64, name: &str) -> io::Result<u64> {
        self.named(packets, parent, name, None)
    }

    /// A counter below another track; 0 is the trace itself.
    ///
    /// # Errors
    /// As the output does.
    pub fn counter<W: Write>(
        &mut self,
        packets: &mut Packets<W>,
        parent: u64,
        name: &str,
    ) -> io::Result<u64> {
        self.named(packets, parent, name, Some(CounterDescriptor {}))
    }

    fn named<W: Write>(
        &mut self,
        packets: &mut Packets<W>,
        parent: u64,
        name: &str,
        counter: Option<CounterDescriptor>,
    ) -> io::Result<u64> {
        let (uuid, new) = self.take(Key::Below(parent, name.to_owned()));
        if new {
            packets.track(TrackDescriptor {
                uuid: Some(uuid),
                name: Some(name.to_owned()),
                parent_uuid: (parent != 0).then_some(parent),
                counter,
                ..TrackDescriptor::default()
            })?;
        }
        Ok(uuid)
    }
}

fn shown(node: usize, id: u32) -> i32 {
    i32::try_from((node << PID_BITS) | id as usize).unwrap_or(i32::MAX)
}
