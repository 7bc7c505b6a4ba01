//! Every function that reads such bytes.

use std::collections::{BTreeMap, BTreeSet};

use ingero_format::{
    FormatError, Row,
    bundle::{self, Bundle, MemberKind, Symbols},
    codec, columns, control,
    copies::Copies,
    frame::{self, Kind as FrameKind},
    head::{self, Geometry},
    identity::Identity,
    manifest::Manifest,
    row::ROW_BYTES,
    segment::{self, Dictionaries, Footer, Header, Scan, Step},
    state::State,
};

use super::Kind;

/// What is said about bytes taken for a kind of file.
#[must_use]
pub fn everything(kind: Kind, bytes: &[u8]) -> Vec<String> {
    let mut said = Vec::new();
    match kind {
        Kind::Segment => segment_file(bytes, &mut said),
        Kind::Head => head_file(bytes, &mut said),
        Kind::Ring => note(Identity::read(bytes), &mut said),
        Kind::Manifest => note(bundle::read_manifest_file(bytes), &mut said),
        Kind::Bundle => bundle_file(bytes, &mut said),
        Kind::Control => message(bytes, &mut said),
    }
    said
}

fn note<T>(result: Result<T, FormatError>, said: &mut Vec<String>) {
    if let Err(e) = result {
        said.push(e.to_string());
    }
}

fn segment_file(bytes: &[u8], said: &mut Vec<String>) {
    let header = match Header::read(bytes) {
        Ok(header) => header,
        Err(e) => return said.push(e.to_string()),
    };
    let dictionaries = Dictionaries::collect(bytes, &header);
    let mut copies = Copies::default();
    copies.survey(bytes, &header, &dictionaries);
    let mut scan = Scan::new(bytes, &header);
    let (mut names, mut seen) = (Dictionaries::default(), BTreeMap::new());
    for step in scan.by_ref() {
        match step {
            Step::Damage(_, _, e) => said.push(e.to_string()),
            Step::Frame(_, frame, payload) => {
                // What a Footer lists is read if its segment has no other before it.
                if let Err(e) = names.frame(&frame, payload) {
                    said.push(e.to_string());
                    continue;
                }
                let counts = copies.take_frame(header.epoch, &frame, &dictionaries);
                match content(&frame, payload, &header, &dictionaries, said) {
                    Ok(rows) if counts => rows.iter().for_each(|row| {
                        *seen.entry((frame.sources, row.origin)).or_insert(0) += 1;
                    }),
                    Ok(_) => {}
                    Err(e) => said.push(e.to_string()),
                }
            }
        }
    }
    let doubles = seen.values().filter(|n| **n > 1).count();
    if doubles > 0 {
        said.push(format!("{doubles} events are there twice"));
    }
    assert!(scan.checked_bytes() <= 18 * bytes.len() as u64 + (2 << 20), "a scan that does not end in time");
    if segment::follow(bytes, &header).tampered() {
        said.push("tampered: the chain is another".into());
    }
}

fn content(
    frame: &frame::Header,
    payload: &[u8],
    header: &Header,
    dictionaries: &Dictionaries,
    said: &mut Vec<String>,
) -> Result<Vec<Row>, FormatError> {
    match frame.content()? {
        Some(FrameKind::Events) => {
            let decoded = columns::decode(frame, payload, header.tick_ns, dictionaries)?;
            if decoded.unnamed > 0 {
                said.push(format!("{} rows are unnamed", decoded.unnamed));
            }
            return Ok(decoded.rows);
        }
        Some(FrameKind::State) => drop(State::read(&frame::unpack_record(frame, payload)?)?),
        Some(FrameKind::Footer) => drop(Footer::read(&frame::unpack_record(frame, payload)?)?),
        Some(FrameKind::Dictionary) | None => {}
    }
    Ok(Vec::new())
}

fn head_file(bytes: &[u8], said: &mut Vec<String>) {
    let (slots, _) = match head::read(bytes) {
        Ok(read) => read,
        Err(e) => return said.push(e.to_string()),
    };
    let torn: u64 = slots.iter().map(|s| s.torn).sum();
    if torn > 0 {
        said.push(format!("{torn} rows are torn"));
    }
    let mut uses = BTreeSet::new();
    if !slots.iter().all(|slot| uses.insert((slot.epoch, slot.generation))) {
        said.push("a generation is there twice".into());
    }
    // Only counted by the reader above: why?
    let Ok(geometry) = Geometry::read(bytes) else { return };
    for i in 0..geometry.slots as usize {
        let at = geometry.slot_offset(i);
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { break };
        note(head::read_slot(&rest[..rest.len().min(geometry.slot_bytes as usize)]), said);
    }
}

fn bundle_file(bytes: &[u8], said: &mut Vec<String>) {
    let mut bundle = match Bundle::read(bytes) {
        Ok(bundle) => bundle,
        Err(e) => return said.push(e.to_string()),
    };
    bundle.check_digests();
    said.extend(bundle.damage.iter().map(ToString::to_string));
    if !bundle.complete {
        said.push("the bundle has no end".into());
    }
    let manifests: Vec<_> = bundle.of(MemberKind::Manifest).collect();
    if manifests.is_empty() {
        said.push("it has no manifest".into());
    }
    manifests.iter().for_each(|m| note(Manifest::read(m.payload), said));
    bundle.of(MemberKind::Segment).for_each(|m| segment_file(m.payload, said));
    bundle.of(MemberKind::Head).for_each(|m| head_file(m.payload, said));
    for member in bundle.of(MemberKind::Open) {
        let (rows, rest) = member.payload.as_chunks::<ROW_BYTES>();
        let good = rows.iter().filter(|row| Row::from_head(row, 0).is_some()).count();
        if good < rows.len() || !rest.is_empty() || rows.len() as u64 != member.number {
            said.push(format!("{good} of {} open rows verify", member.number));
        }
    }
    bundle.of(MemberKind::Symbols).for_each(|m| note(codec::decode::<Symbols>("symbols", m.payload), said));
}

// As both sides take it from the socket: the length first, then as much as it says.
fn message(bytes: &[u8], said: &mut Vec<String>) {
    let Some((prefix, rest)) = bytes.split_first_chunk::<4>() else {
        return said.push("cut short: no length".into());
    };
    let body = match control::body_len(*prefix) {
        Ok(len) => match rest.get(..len) {
            Some(body) => body,
            None => return said.push(format!("cut short: {len} bytes promised")),
        },
        Err(e) => return said.push(e.to_string()),
    };
    let request = control::from_wire::<control::Request>(body);
    let reply = control::from_wire::<control::Reply>(body);
    if let (Err(request), Err(reply)) = (request, reply) {
        said.extend([request.to_string(), reply.to_string()]);
    }
}
