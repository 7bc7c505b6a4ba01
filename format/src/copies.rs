//! Which copy of a slot's rows counts.
//!
//! The rows of one use of a head slot may stand in several places: in the head, in a frame, and in a second frame
//! if a recorder that started could not read the first, or found that its dictionary entries had gone with the
//! power. Exactly one copy counts: the first complete frame; else the slot; else the first frame that can be read.
//! Generation 0 names no use of a slot: what has it has no copies.

use std::collections::BTreeSet;

use crate::{
    columns,
    dictionary::Dictionaries,
    frame::{Header, Kind},
    segment::{self, Scan, Step},
};

/// A use of a slot: epoch and generation.
type Use = (u64, u64);

/// What a first pass over a ring or bundle found, and what a second pass has taken.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    complete: BTreeSet<Use>,
    slots: BTreeSet<Use>,
    taken: BTreeSet<Use>,
    frames: usize,
}

impl Copies {
    /// Looks over a segment: first pass, after the slots. Gives how many frames of events it has. A frame stands in
    /// for a slot only if it can be decoded, and is for that.
    pub fn survey(&mut self, bytes: &[u8], header: &segment::Header, dictionaries: &Dictionaries) -> usize {
        let mut frames = 0;
        for step in Scan::new(bytes, header) {
            if let Step::Frame(_, frame, payload) = step
                && matches!(frame.content(), Ok(Some(Kind::Events)))
            {
                frames += 1;
                if frame.head_generation == 0 {
                    continue;
                }
                let of = (header.epoch, frame.head_generation);
                let readable = || columns::decode(&frame, payload, header.tick_ns, dictionaries).is_ok();
                if dictionaries.cover(&frame) && (!self.slots.contains(&of) || readable()) {
                    self.complete.insert(of);
                }
            }
        }
        self.frames += frames;
        frames
    }

    /// Frames of events seen so far.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The head has rows of this use of a slot: first pass.
    pub fn slot(&mut self, epoch: u64, generation: u64) {
        self.slots.insert((epoch, generation));
    }

    /// True if a complete frame holds the rows of this use of a slot.
    #[must_use]
    pub fn is_complete(&self, epoch: u64, generation: u64) -> bool {
        self.complete.contains(&(epoch, generation))
    }

    /// Second pass: true if this frame's rows count, and then no other copy's do.
    pub fn take_frame(&mut self, epoch: u64, frame: &Header, dictionaries: &Dictionaries) -> bool {
        let of = (epoch, frame.head_generation);
        if frame.head_generation == 0 {
            return true;
        }
        let better = !dictionaries.cover(frame) && (self.complete.contains(&of) || self.slots.contains(&of));
        !better && self.taken.insert(of)
    }

    /// Second pass, after all frames: true if the rows in this slot count.
    pub fn take_slot(&mut self, epoch: u64, generation: u64) -> bool {
        generation == 0 || !self.is_complete(epoch, generation) && self.taken.insert((epoch, generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Row,
        columns::Compressor,
        ops::Source,
        row::origin,
        segment::{Builder, HEADER_BYTES},
        state::State,
    };

    fn rows() -> Vec<Row> {
        (0..20)
            .map(|i| Row { end_ns: i, op: 0x0101, pid: 3, tid: 4, origin: origin(0, i), ..Row::default() })
            .collect()
    }

    // A segment with the rows of generation 9, and where its dictionary frame lies.
    fn segment() -> (segment::Header, Vec<u8>, usize) {
        let header = segment::Header { salt: 5, epoch: 7, ..segment::Header::default() };
        let (mut builder, mut bytes) = Builder::begin(header, 1 << 20);
        bytes.extend(builder.state(&State::default()).unwrap());
        let dictionary = bytes.len();
        let mut compressor = Compressor::new().unwrap();
        bytes.extend(builder.events(&mut rows(), Source::Cuda, 9, 0, &mut compressor).unwrap().unwrap());
        (header, bytes, dictionary)
    }

    fn look(bytes: &[u8], header: &segment::Header, copies: &mut Copies) -> Vec<bool> {
        let dictionaries = Dictionaries::collect(bytes, header);
        let events = Scan::new(bytes, header).filter_map(|step| match step {
            Step::Frame(_, frame, _) if frame.kind == Kind::Events as u8 => Some(frame),
            _ => None,
        });
        events.map(|frame| copies.take_frame(header.epoch, &frame, &dictionaries)).collect()
    }

    #[test]
    fn a_slot_that_is_in_a_whole_frame_does_not_count() {
        let (header, bytes, _) = segment();
        assert_eq!(header.to_bytes().len(), HEADER_BYTES);
        let mut copies = Copies::default();
        copies.slot(7, 9);
        assert_eq!(copies.survey(&bytes, &header, &Dictionaries::collect(&bytes, &header)), 1);
        assert_eq!(look(&bytes, &header, &mut copies), [true]);
        assert!(!copies.take_slot(7, 9));
        assert!(copies.take_slot(8, 9), "another epoch is another slot");
        assert!(!copies.take_slot(8, 9), "it counts once");
    }

    // Found by the power-loss simulator, seed 24: the dictionary frame was lost, the events frame was not, and
    // the rows came back without their threads although the head still had them.
    #[test]
    fn a_frame_whose_dictionary_entries_are_gone_gives_way_to_the_head() {
        let (header, mut bytes, dictionary) = segment();
        bytes[dictionary] ^= 1;
        let mut copies = Copies::default();
        copies.survey(&bytes, &header, &Dictionaries::collect(&bytes, &header));
        let mut alone = copies.clone();
        assert_eq!(look(&bytes, &header, &mut alone), [true], "without names is better than not at all");
        copies.slot(7, 9);
        assert_eq!(look(&bytes, &header, &mut copies), [false]);
        assert!(copies.take_slot(7, 9));
    }

    #[test]
    fn a_whole_frame_that_cannot_be_decoded_gives_way_to_the_head() {
        let (header, bytes, _) = segment();
        let mut forged = header.to_bytes();
        for step in Scan::new(&bytes, &header) {
            let Step::Frame(_, frame, payload) = step else { panic!("damage") };
            let events = frame.kind == Kind::Events as u8;
            let n_events = frame.n_events + u32::from(events);
            forged.extend(crate::frame::write(&Header { n_events, ..frame }, payload));
        }
        let mut copies = Copies::default();
        copies.slot(7, 9);
        copies.survey(&forged, &header, &Dictionaries::collect(&forged, &header));
        assert!(copies.take_slot(7, 9));
    }

    // A slot of generation 0 once gave way to any frame without a generation.
    #[test]
    fn frames_and_slots_of_generation_0_have_no_copies() {
        let header = segment::Header::default();
        let (mut builder, mut bytes) = Builder::begin(header, 1 << 20);
        let mut compressor = Compressor::new().unwrap();
        for _ in 0..2 {
            bytes.extend(builder.events(&mut rows(), Source::Cuda, 0, 0, &mut compressor).unwrap().unwrap());
        }
        let mut copies = Copies::default();
        copies.slot(0, 0);
        copies.survey(&bytes, &header, &Dictionaries::collect(&bytes, &header));
        assert_eq!(look(&bytes, &header, &mut copies), [true, true]);
        assert!(copies.take_slot(0, 0) && copies.take_slot(0, 0));
    }

    #[test]
    fn of_two_frames_of_one_slot_the_first_counts() {
        let (header, bytes, _) = segment();
        let mut copies = Copies::default();
        copies.survey(&bytes, &header, &Dictionaries::collect(&bytes, &header));
        assert_eq!(look(&bytes, &header, &mut copies), [true]);
        assert_eq!(look(&bytes, &header, &mut copies), [false]);
    }
}
