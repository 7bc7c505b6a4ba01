//! The bundle: one file that holds a frozen window.
//!
//! ```text
//! file header (32):  0 magic 8   8 version u16  10 reserved u16  12 incompat u32  16 compat u32
//!                   20 zeros    28 crc u32 (over 0..28)
//! member header (32): 0 "INGM"   4 kind u16   6 reserved u16   8 number u64   16 payload_len u64
//!                    24 payload_crc u32 (0 for Segment)  28 crc u32 (over 0..28)
//! payload, zeros to a multiple of 8; then the next member
//! ```
//! MANIFEST comes first, then segments as they are, head rows, open rows and symbols; then the index
//! with each member's SHA-256, and an empty end member. Cut anywhere, the file is readable up to the cut; behind a
//! header that is damaged, reading goes on at the next one.
//!
//! A frozen set's file `MANIFEST` is a bundle with that one member, without index and end: see
//! [`manifest_file`] and [`read_manifest_file`].

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
    check::{check_crc, refuse_unknown},
    codec::{self, Decode, Encode},
    manifest::Manifest,
};

/// First bytes of a bundle.
pub const MAGIC: [u8; 8] = *b"\x89INGERO\n";
const MEMBER_MAGIC: [u8; 4] = *b"INGM";
/// Bytes of the file header and of each member header.
pub const HEADER_BYTES: usize = 32;

/// What a member holds. Unknown kinds are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MemberKind {
    /// [`crate::manifest::Manifest`].
    Manifest = 1,
    /// A segment file; `number` is its sequence.
    Segment = 2,
    /// The used part of the head file.
    Head = 3,
    /// Rows of calls and intervals that had not ended: `number` of them, 64 bytes each.
    Open = 4,
    /// [`Symbols`].
    Symbols = 5,
    /// [`Index`].
    Index = 6,
    /// Nothing: the bundle is complete.
    End = 7,
    /// [`UserSymbols`].
    UserSymbols = 8,
}

/// Names of kernel addresses, made where the bundle was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Symbols {
    /// Address, symbol (of `/proc/kallsyms`), offset in it, bytes.
    pub kernel: Vec<(u64, String, u64)>,
}

/// Names of addresses in processes' own code, made where the bundle was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct UserSymbols {
    /// Files that code was mapped from.
    pub modules: Vec<Module>,
    /// What each address is; several processes may have one address.
    pub frames: Vec<UserFrame>,
}

/// A file that code was mapped from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Module {
    /// Path as the process saw it, or a name in brackets.
    pub path: String,
    /// Its build id (note `NT_GNU_BUILD_ID`); empty if it has none.
    pub build_id: Vec<u8>,
}

/// [`UserFrame::module`] of an address that lay in no file.
pub const NO_MODULE: u32 = u32::MAX;

/// An address in a process's code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct UserFrame {
    /// Process that it was seen in.
    pub pid: u32,
    /// Address in the process, one that a call returns to.
    pub address: u64,
    /// Index of its module, or [`NO_MODULE`].
    pub module: u32,
    /// Offset in the module's file, bytes.
    pub file_offset: u64,
    /// Symbol as the file has it, mangled; empty if not known.
    pub symbol: String,
    /// Offset in the symbol, bytes.
    pub offset: u64,
    /// Source file; empty if not known.
    pub file: String,
    /// Line in it; 0 if not known.
    pub line: u32,
}

/// Digests of the members before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Index {
    /// One entry for each of them, in file order.
    pub members: Vec<IndexEntry>,
}

/// One line of the [`Index`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct IndexEntry {
    /// A [`MemberKind`] as a number.
    pub kind: u16,
    /// The member's number.
    pub number: u64,
    /// Offset of its payload in the file, bytes.
    pub offset: u64,
    /// Bytes of its payload.
    pub bytes: u64,
    /// SHA-256 of its payload.
    pub sha256: [u8; 32],
}

/// The file header.
#[must_use]
pub fn file_header() -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend(MAGIC);
    out.extend([1, 0, 0, 0]);
    out.resize(HEADER_BYTES - 4, 0);
    out.extend(crc32c(&[&out]).to_le_bytes());
    out
}

/// A member's header. `payload_len` is in bytes, `payload_crc` the CRC32C of the payload; a segment has none, its
/// frames have their own.
#[must_use]
pub fn member_header(kind: MemberKind, number: u64, payload_len: u64, payload_crc: u32) -> Vec<u8> {
    let payload_crc = if kind == MemberKind::Segment { 0 } else { payload_crc };
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend(MEMBER_MAGIC);
    out.extend((kind as u16).to_le_bytes());
    out.extend([0; 2]);
    out.extend(number.to_le_bytes());
    out.extend(payload_len.to_le_bytes());
    out.extend(payload_crc.to_le_bytes());
    out.extend(crc32c(&[&out]).to_le_bytes());
    out
}

/// Appends a whole member, for those that are in memory.
pub fn append_member(out: &mut Vec<u8>, kind: MemberKind, number: u64, payload: &[u8]) {
    out.extend(member_header(kind, number, payload.len() as u64, crc32c(&[payload])));
    out.extend(payload);
    out.resize(out.len() + padding(payload.len() as u64) as usize, 0);
}

/// The file `MANIFEST` of a frozen set.
///
/// # Errors
/// If the record is too large.
pub fn manifest_file(manifest: &Manifest) -> Result<Vec<u8>, FormatError> {
    let mut out = file_header();
    append_member(&mut out, MemberKind::Manifest, 0, &manifest.to_bytes()?);
    Ok(out)
}

/// Reads the file `MANIFEST` of a frozen set.
///
/// # Errors
/// If it is no bundle, or its manifest is missing, cut or damaged.
pub fn read_manifest_file(bytes: &[u8]) -> Result<Manifest, FormatError> {
    let bundle = Bundle::read(bytes)?;
    match bundle.members.iter().find(|m| m.kind == MemberKind::Manifest as u16) {
        Some(m) if m.condition == Condition::Whole => {
            Manifest::read(m.payload).map_err(|e| e.shifted(m.offset))
        }
        _ => {
            Err(bundle.damage.into_iter().next().map(|d| d.error).unwrap_or_else(|| {
                FormatError::new("bundle", 0, Reason::Content("it has no manifest".into()))
            }))
        }
    }
}

/// Zero bytes that follow a payload of `payload_len` bytes.
#[must_use]
pub fn padding(payload_len: u64) -> u64 {
    payload_len.next_multiple_of(8) - payload_len
}

/// What state a member's payload is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All there, and as its checksum says (a segment's is not checked).
    Whole,
    /// The file ends inside it.
    Cut,
    /// All there, and another checksum.
    Damaged,
}

/// A member found in a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// A [`MemberKind`] as a number.
    pub kind: u16,
    /// Its number: a segment's sequence, how many open rows; 0 for all others.
    pub number: u64,
    /// Offset of its payload in the file, bytes.
    pub offset: u64,
    /// Bytes that its payload should have.
    pub payload_len: u64,
    /// CRC32C that its payload should have; 0 for a segment.
    pub payload_crc: u32,
    /// Its payload: shorter than it should be if the file is cut.
    pub payload: &'a [u8],
    /// Whether the payload can be used.
    pub condition: Condition,
    /// Whether its SHA-256 is that of the index; `None` before [`Bundle::check_digests`] and if there is no
    /// entry for it.
    pub digest_agrees: Option<bool>,
}

/// A stretch of a bundle that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}; bytes {} to {to}", error.offset)]
pub struct Damage {
    /// What is wrong, and where it begins.
    pub error: FormatError,
    /// Offset in the file of the first byte behind it.
    pub to: u64,
    /// The bytes are no member at all: the next one was looked for behind them.
    pub skipped: bool,
}

/// A bundle's members, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Bundle<'a> {
    /// Members in file order; the last may be cut.
    pub members: Vec<Member<'a>>,
    /// True if the end member was reached.
    pub complete: bool,
    /// Which bytes are no member or not the member they should be, or which digest differs.
    pub damage: Vec<Damage>,
}

impl<'a> Bundle<'a> {
    /// Reads the members of a bundle as far as they go.
    ///
    /// # Errors
    /// If the first bytes are not a bundle's, or it needs an unknown feature.
    pub fn read(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut r = Reader::new("bundle header", bytes);
        if r.array::<8>()? != MAGIC {
            return Err(FormatError::new("bundle header", 0, Reason::Magic("bundle")));
        }
        check_crc("bundle header", Reader::new("bundle header", bytes).take(HEADER_BYTES)?)?;
        r.u32()?;
        refuse_unknown("bundle header", 12, r.u32()?)?;
        let mut bundle = Self::default();
        let mut at = Some(HEADER_BYTES);
        while let Some(place) = at.filter(|_| !bundle.complete) {
            at = match member_at(bytes, place) {
                Ok(header) => bundle.member(bytes, place, &header),
                Err(error) => bundle.skip(bytes, place, error),
            };
        }
        Ok(bundle)
    }

    // The bytes here are no header of a member: the next one that is goes on.
    fn skip(&mut self, bytes: &'a [u8], at: usize, error: FormatError) -> Option<usize> {
        let cut = bytes.len().saturating_sub(at) < HEADER_BYTES;
        let next = (at + 8..bytes.len()).step_by(8).find(|next| member_at(bytes, *next).is_ok());
        let to = next.unwrap_or(bytes.len()).max(at) as u64;
        self.damage.push(Damage { error: error.shifted(at as u64), to, skipped: !cut });
        next
    }

    // Takes a member; gives where the next one begins, unless the file ends in this one.
    fn member(&mut self, bytes: &'a [u8], at: usize, header: &MemberHeader) -> Option<usize> {
        let MemberHeader { kind, number, payload_len, payload_crc } = *header;
        let rest = bytes.get(at + HEADER_BYTES..).unwrap_or_default();
        let (available, offset) = (rest.len() as u64, (at + HEADER_BYTES) as u64);
        let payload = rest.get(..payload_len.min(available) as usize).unwrap_or_default();
        let mut damage = None;
        let mut condition = Condition::Whole;
        if payload_len > available {
            condition = Condition::Cut;
            damage = Some(Reason::Short { needed: payload_len, available });
        } else if kind != MemberKind::Segment as u16 {
            let computed = crc32c(&[payload]);
            if computed != payload_crc {
                condition = Condition::Damaged;
                damage = Some(Reason::Checksum { stored: payload_crc, computed });
            }
        }
        let digest_agrees = None;
        self.members.push(Member {
            kind,
            number,
            offset,
            payload_len,
            payload_crc,
            payload,
            condition,
            digest_agrees,
        });
        self.complete = kind == MemberKind::End as u16;
        let to = offset + payload.len() as u64;
        let error = |reason| FormatError::new(WHAT, offset, reason);
        self.damage.extend(damage.map(|reason| Damage { error: error(reason), to, skipped: false }));
        (condition != Condition::Cut).then(|| (offset + payload_len + padding(payload_len)) as usize)
    }

    /// Members of one kind that can be used, in file order: the last may be cut.
    pub fn of(&self, kind: MemberKind) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().filter(move |m| m.kind == kind as u16 && m.condition != Condition::Damaged)
    }

    /// Compares every member with the index's SHA-256, notes the result with it and adds what differs to
    /// `damage`. Each member is read once, however often an index names it.
    pub fn check_digests(&mut self) {
        let Some(index) = self.of(MemberKind::Index).next() else { return };
        let until = index.offset;
        let index: Index = match codec::decode("bundle index", index.payload) {
            Ok(index) => index,
            Err(e) => {
                let to = until + index.payload.len() as u64;
                return self.damage.push(Damage { error: e.shifted(until), to, skipped: false });
            }
        };
        let before = self.members.iter_mut().filter(|m| m.offset < until);
        let mut left: BTreeMap<u64, &mut Member<'a>> = before.map(|m| (m.offset, m)).collect();
        let mut wrong = Vec::new();
        for entry in &index.members {
            match left.remove(&entry.offset) {
                Some(member) => {
                    let same = Sha256::digest(member.payload).as_slice() == entry.sha256;
                    member.digest_agrees = Some(same);
                    if !same {
                        let to = member.offset + member.payload.len() as u64;
                        wrong.push((entry.offset, to, "SHA-256 differs from the index"));
                    }
                }
                None => {
                    let to = entry.offset.saturating_add(entry.bytes);
                    wrong.push((entry.offset, to, "the index has a member here that is not there"));
                }
            }
        }
        let unlisted = left.into_values().map(|m| (m.offset, m.offset + m.payload.len() as u64));
        wrong.extend(unlisted.map(|(offset, to)| (offset, to, "not in the index")));
        self.damage.extend(wrong.into_iter().map(|(offset, to, text)| Damage {
            error: FormatError::new(WHAT, offset, Reason::Content(text.to_owned())),
            to,
            skipped: false,
        }));
    }
}

/// What a member's header says.
struct MemberHeader {
    kind: u16,
    number: u64,
    payload_len: u64,
    payload_crc: u32,
}

const WHAT: &str = "bundle member";

// The magic first: of bytes that are looked through for it, few come to a checksum.
fn member_at(bytes: &[u8], at: usize) -> Result<MemberHeader, FormatError> {
    let mut r = Reader::new(WHAT, bytes.get(at..).unwrap_or_default());
    let header = Reader::new(WHAT, r.rest()).take(HEADER_BYTES)?;
    if r.array::<4>()? != MEMBER_MAGIC {
        return Err(FormatError::new(WHAT, 0, Reason::Magic("bundle member")));
    }
    check_crc(WHAT, header)?;
    let kind = r.u16()?;
    r.u16()?;
    Ok(MemberHeader { kind, number: r.u64()?, payload_len: r.u64()?, payload_crc: r.u32()? })
}

#[cfg(test)]
mod tests;
