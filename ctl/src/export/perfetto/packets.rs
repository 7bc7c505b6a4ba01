//! Packets, one after the other, with each text written once.

use std::io::{self, Write};

use foldhash::{HashMap, HashMapExt};
use prost::Message;

use super::proto::{
    BOOTTIME, CLEARED, Clock, ClockSnapshot, DebugAnnotation, InternedData, NEEDS_NAMES, Named, REALTIME,
    TracePacket, TrackDescriptor, TrackEvent,
};

/// The one writer of the trace.
const SEQUENCE: u32 = 1;
/// A packet in the file: field 1, a length and bytes follow.
const PACKET_TAG: u8 = 0x0a;

/// What a text is used as; numbers are given for each use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Group of events.
    Category,
    /// Name of an event.
    Event,
    /// Name of a value beside an event.
    Key,
    /// A value beside an event.
    Value,
}

/// Writes packets.
pub struct Packets<W> {
    out: W,
    buffer: Vec<u8>,
    numbers: HashMap<(Use, Box<str>), u64>,
    /// Texts that the next packet has to bring.
    new: InternedData,
}

impl<W: Write> Packets<W> {
    /// Begins a trace whose times are Unix time: they stand as time since boot, and a snapshot of both clocks says that
    /// the two are the same.
    ///
    /// # Errors
    /// As `out` does.
    pub fn begin(out: W, at_ns: u64) -> io::Result<Self> {
        let mut packets =
            Self { out, buffer: Vec::new(), numbers: HashMap::new(), new: InternedData::default() };
        let clock = |id| Clock { clock_id: Some(id), timestamp: Some(at_ns) };
        let clocks = vec![clock(BOOTTIME), clock(REALTIME)];
        packets.write(TracePacket {
            clock_snapshot: Some(ClockSnapshot { clocks }),
            timestamp: Some(at_ns),
            sequence_flags: Some(CLEARED),
            ..TracePacket::default()
        })?;
        Ok(packets)
    }

    /// The number of a text.
    pub fn number(&mut self, of: Use, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(&(of, Box::from(text))) {
            return *number;
        }
        let number = self.numbers.len() as u64 + 1;
        let list = match of {
            Use::Category => &mut self.new.event_categories,
            Use::Event => &mut self.new.event_names,
            Use::Key => &mut self.new.debug_annotation_names,
            Use::Value => &mut self.new.debug_annotation_string_values,
        };
        list.push(Named { iid: Some(number), name: Some(text.to_owned()) });
        self.numbers.insert((of, Box::from(text)), number);
        number
    }

    /// A number beside an event.
    pub fn value(&mut self, key: &str, value: i64) -> DebugAnnotation {
        let name_iid = Some(self.number(Use::Key, key));
        DebugAnnotation { name_iid, int_value: Some(value), ..DebugAnnotation::default() }
    }

    /// A number without a sign beside an event: handles and addresses.
    pub fn handle(&mut self, key: &str, value: u64) -> DebugAnnotation {
        let name_iid = Some(self.number(Use::Key, key));
        DebugAnnotation { name_iid, uint_value: Some(value), ..DebugAnnotation::default() }
    }

    /// A text beside an event.
    pub fn text(&mut self, key: &str, value: &str) -> DebugAnnotation {
        let (name_iid, iid) = (Some(self.number(Use::Key, key)), self.number(Use::Value, value));
        DebugAnnotation { name_iid, string_value_iid: Some(iid), ..DebugAnnotation::default() }
    }

    /// Writes what a track is.
    ///
    /// # Errors
    /// As the output does.
    pub fn track(&mut self, track: TrackDescriptor) -> io::Result<()> {
        self.write(TracePacket { track_descriptor: Some(track), ..TracePacket::default() })
    }

    /// Writes an event.
    ///
    /// # Errors
    /// As the output does.
    pub fn event(&mut self, at_ns: i64, event: TrackEvent) -> io::Result<()> {
        self.write(TracePacket {
            timestamp: Some(at_ns.max(0).cast_unsigned()),
            track_event: Some(event),
            sequence_flags: Some(NEEDS_NAMES),
            ..TracePacket::default()
        })
    }

    fn write(&mut self, mut packet: TracePacket) -> io::Result<()> {
        packet.trusted_packet_sequence_id = SEQUENCE;
        if self.new != InternedData::default() {
            packet.interned_data = Some(std::mem::take(&mut self.new));
        }
        self.buffer.clear();
        self.buffer.push(PACKET_TAG);
        // A vector takes whatever is written.
        packet.encode_length_delimited(&mut self.buffer).map_err(io::Error::other)?;
        self.out.write_all(&self.buffer)
    }

    /// Gives the output back.
    pub fn end(self) -> W {
        self.out
    }
}
