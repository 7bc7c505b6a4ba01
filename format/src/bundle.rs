//! The bundle: one file that holds a frozen window.
//!
//! ```text
//! file header (32):  0 magic 8   8 version u16  10 reserved u16  12 incompat u32  16 zeros  28 crc u32
//! member header (32): 0 "INGM"   4 kind u16   6 reserved u16   8 number u64   16 payload_len u64
//!                    24 reserved u32  28 crc u32 (over 0..28)
//! payload, zeros to a multiple of 8; then the next member
//! ```
//! MANIFEST comes first, then segments as they are, head rows, open rows and symbols; then the index
//! with each member's SHA-256, and an empty end member. Cut anywhere, the file is readable up to the cut.

use sha2::{Digest, Sha256};

use crate::{
    FormatError, Reason,
    bytes::{Reader, crc32c},
    codec::{self, Decode, Encode},
    segment::{check_crc, refuse_unknown},
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
}

/// Names of kernel addresses, made where the bundle was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Symbols {
    /// Address, symbol, offset in it.
    pub kernel: Vec<(u64, String, u64)>,
}

/// Digests of the members before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Index {
    /// Kind, number, payload offset, payload length, SHA-256 of the payload.
    pub members: Vec<IndexEntry>,
}

/// One line of the [`Index`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct IndexEntry {
    /// A [`MemberKind`] as a number.
    pub kind: u16,
    /// The member's number.
    pub number: u64,
    /// Offset of its payload in the file.
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

/// A member's header.
#[must_use]
pub fn member_header(kind: MemberKind, number: u64, payload_len: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend(MEMBER_MAGIC);
    out.extend((kind as u16).to_le_bytes());
    out.extend([0; 2]);
    out.extend(number.to_le_bytes());
    out.extend(payload_len.to_le_bytes());
    out.extend([0; 4]);
    out.extend(crc32c(&[&out]).to_le_bytes());
    out
}

/// Zero bytes that follow a payload.
#[must_use]
pub fn padding(payload_len: u64) -> u64 {
    payload_len.next_multiple_of(8) - payload_len
}

/// A member found in a bundle.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// A [`MemberKind`] as a number.
    pub kind: u16,
    /// Its number.
    pub number: u64,
    /// Offset of its payload.
    pub offset: u64,
    /// Its payload: shorter than promised if the file is cut.
    pub payload: &'a [u8],
}

/// A bundle's members, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Bundle<'a> {
    /// Members in file order; the last may be cut.
    pub members: Vec<Member<'a>>,
    /// True if the end member was reached.
    pub complete: bool,
    /// Why reading stopped early, or which digest differs.
    pub damage: Vec<FormatError>,
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
        refuse_unknown("bundle header", r.u32()?)?;
        let mut bundle = Self::default();
        let mut at = HEADER_BYTES;
        while !bundle.complete {
            match bundle.member(bytes, at) {
                Ok(next) => at = next,
                Err(e) => {
                    bundle.damage.push(e.shifted(at as u64));
                    break;
                }
            }
        }
        Ok(bundle)
    }

    fn member(&mut self, bytes: &'a [u8], at: usize) -> Result<usize, FormatError> {
        const WHAT: &str = "bundle member";
        let mut r = Reader::new(WHAT, bytes.get(at..).unwrap_or_default());
        check_crc(WHAT, Reader::new(WHAT, r.rest()).take(HEADER_BYTES)?)?;
        if r.array::<4>()? != MEMBER_MAGIC {
            return Err(FormatError::new(WHAT, 0, Reason::Magic("bundle member")));
        }
        let kind = r.u16()?;
        r.u16()?;
        let (number, len) = (r.u64()?, r.u64()?);
        r.u64()?;
        let (available, offset) = (r.rest().len() as u64, (at + HEADER_BYTES) as u64);
        let payload = r.rest().get(..len.min(available) as usize).unwrap_or_default();
        self.members.push(Member { kind, number, offset, payload });
        self.complete = kind == MemberKind::End as u16;
        if len > available {
            return Err(FormatError::new(
                WHAT,
                HEADER_BYTES as u64,
                Reason::Short { needed: len, available },
            ));
        }
        Ok((offset + len + padding(len)) as usize)
    }

    /// Members of one kind, in file order.
    pub fn of(&self, kind: MemberKind) -> impl Iterator<Item = &Member<'a>> {
        self.members.iter().filter(move |m| m.kind == kind as u16)
    }

    /// Compares every member with the index's SHA-256 and adds what differs to `damage`.
    pub fn check_digests(&mut self) {
        let Some(index) = self.of(MemberKind::Index).next() else { return };
        let index: Index = match codec::decode("bundle index", index.payload) {
            Ok(index) => index,
            Err(e) => return self.damage.push(e.shifted(index.offset)),
        };
        for entry in &index.members {
            let member = self.members.iter().find(|m| m.offset == entry.offset);
            let same = member.is_some_and(|m| Sha256::digest(m.payload).as_slice() == entry.sha256);
            if !same {
                let reason = Reason::Content("SHA-256 differs from the index".into());
                self.damage.push(FormatError::new("bundle member", entry.offset, reason));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = file_header();
        let mut index = Index::default();
        for (kind, payload) in
            [(MemberKind::Manifest, b"manifest!".as_slice()), (MemberKind::Segment, b"seg")]
        {
            bytes.extend(member_header(kind, 4, payload.len() as u64));
            index.members.push(IndexEntry {
                kind: kind as u16,
                number: 4,
                offset: bytes.len() as u64,
                bytes: payload.len() as u64,
                sha256: Sha256::digest(payload).into(),
            });
            bytes.extend(payload);
            bytes.resize(bytes.len() + padding(payload.len() as u64) as usize, 0);
        }
        let payload = codec::encode("index", &index).unwrap();
        bytes.extend(member_header(MemberKind::Index, 0, payload.len() as u64));
        bytes.extend(&payload);
        bytes.resize(bytes.len() + padding(payload.len() as u64) as usize, 0);
        bytes.extend(member_header(MemberKind::End, 0, 0));
        bytes
    }

    #[test]
    fn a_whole_bundle_reads_back_and_its_digests_agree() {
        let bytes = sample();
        let mut bundle = Bundle::read(&bytes).unwrap();
        bundle.check_digests();
        assert!(bundle.complete && bundle.damage.is_empty(), "{:?}", bundle.damage);
        assert_eq!(bundle.of(MemberKind::Segment).next().unwrap().payload, b"seg");
    }

    #[test]
    fn a_bundle_cut_anywhere_is_readable_up_to_the_cut_and_says_so() {
        let bytes = sample();
        for cut in HEADER_BYTES..bytes.len() {
            let bundle = Bundle::read(&bytes[..cut]).unwrap();
            assert!(!bundle.complete && !bundle.damage.is_empty(), "cut at {cut}");
        }
        for cut in 0..HEADER_BYTES {
            assert!(Bundle::read(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn a_changed_payload_is_found_by_its_digest() {
        let mut bytes = sample();
        bytes[HEADER_BYTES * 2] ^= 1;
        let mut bundle = Bundle::read(&bytes).unwrap();
        bundle.check_digests();
        assert_eq!(bundle.damage.len(), 1);
    }
}
