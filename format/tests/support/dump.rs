//! A file of the recorder as JSON, as `tests/golden/README.md` describes it.

use ingero_format::{
    Row,
    bundle::{Bundle, Condition, MemberKind, Symbols, UserFrame, UserSymbols},
    codec, columns,
    frame::{self, Kind},
    head::{self, Geometry},
    identity::Identity,
    manifest::Manifest,
    row::ROW_BYTES,
    segment::{Dictionaries, Footer, Header, Scan, Step, chain},
    state::State,
};
use serde_json::{Value, json};

/// What the file called `name` holds. The name alone decides what it is taken for.
pub fn dump(name: &str, bytes: &[u8]) -> Value {
    match name.rsplit_once('.').map_or(name, |(_, extension)| extension) {
        "seg" => segment(bytes),
        "RING" => ring(bytes),
        "head" => head(bytes),
        "ingero" | "MANIFEST" => bundle(bytes),
        _ => json!({ "kind": "unknown" }),
    }
}

fn refused(kind: &str) -> Value {
    json!({ "kind": kind, "refused": true })
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()
}

fn number(value: u128) -> Value {
    format!("{value:032x}").into()
}

fn row(r: &Row) -> Value {
    json!([r.end_ns, r.dur_ns, r.pid, r.tid, r.arg0, r.arg1, r.origin, r.op, r.flags, r.ret, r.stack])
}

fn segment(bytes: &[u8]) -> Value {
    let Ok(header) = Header::read(bytes) else { return refused("segment") };
    let dictionaries = Dictionaries::collect(bytes, &header);
    let mut found = Found { chain: header.chain_before, ..Found::default() };
    let mut scan = Scan::new(bytes, &header);
    for step in &mut scan {
        match step {
            Step::Frame(offset, frame, payload) => {
                let whole = offset as usize..(offset + frame.frame_bytes()) as usize;
                found.chain = chain(found.chain, &bytes[whole]);
                found.frame(offset, &frame, payload, header.tick_ns, &dictionaries);
            }
            Step::Damage(from, to, _) => found.steps.push(json!({ "damage": { "from": from, "to": to } })),
        }
    }
    let (threads, calls) = dictionaries.counts();
    json!({
        "kind": "segment",
        "header": segment_header(&header),
        "steps": found.steps,
        "rows": found.rows,
        "unnamed": found.unnamed,
        "states": found.states,
        "footer": found.footer,
        "threads": threads,
        "calls": calls,
        "end": scan.position(),
    })
}

fn segment_header(h: &Header) -> Value {
    json!({
        "header_len": h.header_len,
        "tick_ns": h.tick_ns,
        "salt": h.salt,
        "segment_seq": h.seq,
        "ring_id": hex(&h.ring_id),
        "boot_id": hex(&h.boot_id),
        "epoch": h.epoch,
        "created_boot_ns": h.created.boot_ns,
        "created_real_ns": h.created.real_ns,
        "uncertainty_ns": h.created.uncertainty_ns,
        "chain_before": number(h.chain_before),
    })
}

#[derive(Default)]
struct Found {
    chain: u128,
    steps: Vec<Value>,
    rows: Vec<Value>,
    unnamed: u64,
    states: Vec<Value>,
    footer: Value,
    /// What the frames so far brought: whether a Dictionary frame or Footer is readable depends on them.
    names: Dictionaries,
}

impl Found {
    fn frame(&mut self, offset: u64, h: &frame::Header, payload: &[u8], tick_ns: u32, known: &Dictionaries) {
        let readable = match h.content() {
            Err(_) => Some(false),
            Ok(None) => None,
            Ok(Some(kind)) => Some(self.content(kind, h, payload, tick_ns, known)),
        };
        self.steps.push(json!({ "frame": {
            "offset": offset,
            "header_len": h.header_len,
            "kind": h.kind,
            "codec": h.codec,
            "flags": h.flags,
            "sources": h.sources,
            "salt": h.salt,
            "frame_seq": h.frame_seq,
            "first_ns": h.first_ns,
            "last_ns": h.last_ns,
            "n_events": h.n_events,
            "raw_len": h.raw_len,
            "payload_len": h.payload_len,
            "dict_threads": h.dict_threads,
            "dict_calls": h.dict_calls,
            "dict_digest": h.dict_digest,
            "lost_before": h.lost_before,
            "head_generation": h.head_generation,
            "payload_crc": h.payload_crc,
            "readable": readable,
            "chain": number(self.chain),
        } }));
    }

    fn content(
        &mut self,
        kind: Kind,
        h: &frame::Header,
        payload: &[u8],
        tick_ns: u32,
        known: &Dictionaries,
    ) -> bool {
        if kind == Kind::Events {
            let Ok(decoded) = columns::decode(h, payload, tick_ns, known) else { return false };
            self.rows.extend(decoded.rows.iter().map(row));
            self.unnamed += decoded.unnamed;
            return true;
        }
        if self.names.frame(h, payload).is_err() {
            return false;
        }
        if kind == Kind::Dictionary {
            return true;
        }
        let Ok(raw) = frame::unpack_record(h, payload) else { return false };
        match kind {
            Kind::State => State::read(&raw).map(|s| self.states.push(state(&s))).is_ok(),
            _ => Footer::read(&raw).map(|f| self.footer = footer(&f)).is_ok(),
        }
    }
}

fn state(s: &State) -> Value {
    let libraries = |p: &ingero_format::state::Process| p.libraries.clone();
    let mut dumped = json!({
        "accounts": s.accounts.iter().map(|a| json!([a.cpu, a.source, a.stored, a.lost])).collect::<Vec<_>>(),
        "tasks": s.tasks.iter().map(|t| json!([t.pid, t.tid, t.since_ns, t.comm])).collect::<Vec<_>>(),
        "stacks": s.stacks.iter().map(|s| json!([s.id, s.frames])).collect::<Vec<_>>(),
        "handles": s.handles.iter().map(|h| json!([h.pid, h.handle, h.name])).collect::<Vec<_>>(),
        "processes": s.processes.iter()
            .map(|p| json!([p.pid, p.start_ns, p.covered_ns, p.comm, p.exe, p.cgroup, libraries(p)]))
            .collect::<Vec<_>>(),
    });
    // Only where there are some: older files know no such lists.
    if !s.owners.is_empty() {
        dumped["owners"] = s.owners.iter().map(|o| json!([o.stack, o.pid])).collect();
    }
    if !s.texts.is_empty() {
        dumped["texts"] = s.texts.iter().map(|t| json!([t.id, t.text])).collect();
    }
    dumped
}

fn footer(f: &Footer) -> Value {
    let frames = f.frames.iter().map(|e| json!([e.offset, e.first_ns, e.last_ns, e.n_events, e.sources]));
    json!({ "chain": number(f.chain), "frames": frames.collect::<Vec<_>>() })
}

fn head(bytes: &[u8]) -> Value {
    let (Ok(geometry), Ok((slots, damaged))) = (Geometry::read(bytes), head::read(bytes)) else {
        return refused("head");
    };
    let slot = |s: &head::Slot| {
        json!({
            "generation": s.generation,
            "epoch": s.epoch,
            "source": s.source as u8,
            "torn": s.torn,
            "rows": s.rows.iter().map(row).collect::<Vec<_>>(),
        })
    };
    json!({
        "kind": "head",
        "slot_count": geometry.slots,
        "slot_bytes": geometry.slot_bytes,
        "slots": slots.iter().map(slot).collect::<Vec<_>>(),
        "damaged": damaged,
    })
}

fn ring(bytes: &[u8]) -> Value {
    let Ok(identity) = Identity::read(bytes) else { return refused("ring") };
    json!({
        "kind": "ring",
        "generation": identity.generation,
        "ring_id": hex(&identity.ring_id),
        "segment_bytes": identity.segment_bytes,
        "holder_pid": identity.holder_pid,
    })
}

fn bundle(bytes: &[u8]) -> Value {
    let Ok(mut bundle) = Bundle::read(bytes) else { return refused("bundle") };
    bundle.check_digests();
    let first = |kind| bundle.of(kind).next().map(|m| m.payload);
    let members = bundle.members.iter().map(|m| {
        json!({
            "kind": m.kind,
            "number": m.number,
            "offset": m.offset,
            "payload_len": m.payload_len,
            "payload_crc": m.payload_crc,
            "have": m.payload.len(),
            "condition": match m.condition {
                Condition::Whole => "whole",
                Condition::Cut => "cut",
                Condition::Damaged => "damaged",
            },
            "digest": m.digest_agrees,
        })
    });
    let skipped = bundle.damage.iter().filter(|d| d.skipped).map(|d| json!([d.error.offset, d.to]));
    let open = first(MemberKind::Open).map(|payload| {
        let rows = payload.as_chunks::<ROW_BYTES>().0.iter();
        rows.map(|r| Row::from_head(r, 0).map(|r| row(&r))).collect::<Vec<_>>()
    });
    let symbols = first(MemberKind::Symbols).and_then(|p| codec::decode::<Symbols>("symbols", p).ok());
    let manifest = first(MemberKind::Manifest).and_then(|p| Manifest::read(p).ok());
    let user = first(MemberKind::UserSymbols);
    let user = user.and_then(|p| codec::decode::<UserSymbols>("user symbols", p).ok());
    let mut value = json!({
        "kind": "bundle",
        "members": members.collect::<Vec<_>>(),
        "complete": bundle.complete,
        "skipped": skipped.collect::<Vec<_>>(),
        "manifest": manifest.map(|m| manifest_value(&m)),
        "segments": bundle.of(MemberKind::Segment).map(|m| segment(m.payload)).collect::<Vec<_>>(),
        "head": first(MemberKind::Head).map(head),
        "open": open,
        "symbols": symbols.map(|s| s.kernel),
    });
    // A kind that came later: a file without it reads as it always did.
    if let Some(user) = user {
        value["user_symbols"] = user_symbols(&user);
    }
    value
}

fn user_symbols(user: &UserSymbols) -> Value {
    let frame = |f: &UserFrame| {
        json!([f.pid, f.address, f.module, f.file_offset, f.symbol, f.offset, f.file, f.line])
    };
    json!({
        "modules": user.modules.iter().map(|m| json!([m.path, m.build_id])).collect::<Vec<_>>(),
        "frames": user.frames.iter().map(frame).collect::<Vec<_>>(),
    })
}

// Field names are those of the document; ids become hexadecimal.
fn manifest_value(manifest: &Manifest) -> Value {
    let mut value = serde_json::to_value(manifest).unwrap();
    value["ring_id"] = hex(&manifest.ring_id);
    value["host"]["boot_id"] = hex(&manifest.host.boot_id);
    value
}
