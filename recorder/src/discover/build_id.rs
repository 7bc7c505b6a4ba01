//! The build id of an ELF file, which tells its debug information apart from that of any other build. Layout: elf(5).

use std::{fs::File, os::unix::fs::FileExt};

/// Program headers looked at, and bytes of one note segment: far above what linkers write.
const MAX_HEADERS: u16 = 256;
const MAX_NOTE_BYTES: u64 = 64 << 10;
/// Longest id taken; a SHA-256 has 32 bytes.
const MAX_ID_BYTES: usize = 64;
const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const PT_NOTE: u32 = 4;
const NT_GNU_BUILD_ID: u32 = 3;

/// Reads the id; `None` if the file is not 64-bit little-endian ELF, or has none.
///
/// The file is read in pieces, not mapped: whoever owns it may cut it while we look.
#[must_use]
pub fn build_id(file: &File) -> Option<Vec<u8>> {
    let header = read(file, 0, HEADER_BYTES)?;
    if header.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = u64::from_le_bytes(*header.get(32..)?.first_chunk()?);
    let each = u16::from_le_bytes(*header.get(54..)?.first_chunk()?);
    let count = u16::from_le_bytes(*header.get(56..)?.first_chunk()?);
    (0..count.min(MAX_HEADERS)).find_map(|i| {
        let at = table.checked_add(u64::from(i) * u64::from(each))?;
        let entry = read(file, at, PROGRAM_HEADER_BYTES)?;
        let kind = u32::from_le_bytes(*entry.first_chunk()?);
        let offset = u64::from_le_bytes(*entry.get(8..)?.first_chunk()?);
        let bytes = u64::from_le_bytes(*entry.get(32..)?.first_chunk()?);
        if kind != PT_NOTE || bytes > MAX_NOTE_BYTES {
            return None;
        }
        in_notes(&read(file, offset, bytes as usize)?)
    })
}

fn read(file: &File, at: u64, bytes: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, at).ok()?;
    Some(buffer)
}

// Notes: length of name, length of content, kind, then both, each padded to 4 bytes.
fn in_notes(mut notes: &[u8]) -> Option<Vec<u8>> {
    loop {
        let word = |at: usize| Some(u32::from_le_bytes(*notes.get(at..)?.first_chunk()?));
        let (name_len, len, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let content = 12usize.checked_add(name_len.checked_next_multiple_of(4)?)?;
        let end = content.checked_add(len)?;
        if kind == NT_GNU_BUILD_ID && notes.get(12..16) == Some(b"GNU\0") && name_len == 4 {
            return notes.get(content..end).filter(|id| id.len() <= MAX_ID_BYTES).map(<[u8]>::to_vec);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_note_with_the_id_is_found_behind_others() {
        let note = |name: &[u8], kind: u32, content: &[u8]| {
            let mut bytes = (name.len() as u32).to_le_bytes().to_vec();
            bytes.extend((content.len() as u32).to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            for part in [name, content] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let notes =
            [note(b"other\0", 3, b"xyz"), note(b"GNU\0", 1, b"abcdef"), note(b"GNU\0", 3, &[1, 2, 3])];
        assert_eq!(in_notes(&notes.concat()), Some(vec![1, 2, 3]));
        assert_eq!(in_notes(&notes[..2].concat()), None);
        assert_eq!(in_notes(&[0xff; 64]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_take_much(tail in proptest::collection::vec(any::<u8>(), 0..400), elf: bool) {
            let mut file = tempfile::tempfile().unwrap();
            if elf {
                file.write_all(b"\x7fELF\x02\x01").unwrap();
            }
            file.write_all(&tail).unwrap();
            prop_assert!(build_id(&file).is_none_or(|id| id.len() <= MAX_ID_BYTES));
            let _ = in_notes(&tail);
        }
    }
}
