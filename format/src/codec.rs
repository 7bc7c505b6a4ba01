//! The one place that names the serialisation crate.
//!
//! Messages, MANIFEST and state records are sequences of fields in declaration order: integers
//! little-endian at full width, `bool` as one byte, strings and lists as a u64 count and their items,
//! `Option` as a byte 0 or 1, an enum as its u32 variant number. `docs/FORMAT.md` says the same
//! without naming a crate, and golden bytes hold it fast, so that the crate can be replaced.

pub use bincode::{Decode, Encode};

use crate::{FormatError, Reason};

/// A record of more bytes is neither written nor read.
pub const RECORD_LIMIT: usize = 16 << 20;

/// What a record's fields take in memory, for each of its bytes, at most; the widest is a list of empty lists, at
/// 32 bytes for each 12.
const MEMORY_FACTOR: usize = 4;

type Layout = bincode::config::Configuration<bincode::config::LittleEndian, bincode::config::Fixint>;

const fn config() -> Layout {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding()
}

// A claimed length counts against the limit before anything is allocated, a list as count times the size of an
// item in memory. So a limit that follows the bytes in hand refuses only what they cannot hold.
fn read<T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<(T, usize), FormatError> {
    const SMALL: usize = 4 << 10;
    const MIDDLE: usize = 256 << 10;
    let read = if bytes.len() <= SMALL {
        bincode::decode_from_slice(bytes, config().with_limit::<{ SMALL * MEMORY_FACTOR }>())
    } else if bytes.len() <= MIDDLE {
        bincode::decode_from_slice(bytes, config().with_limit::<{ MIDDLE * MEMORY_FACTOR }>())
    } else if bytes.len() <= RECORD_LIMIT {
        bincode::decode_from_slice(bytes, config().with_limit::<{ RECORD_LIMIT * MEMORY_FACTOR }>())
    } else {
        return Err(content(what, format!("{} bytes, allowed are {RECORD_LIMIT}", bytes.len())));
    };
    read.map_err(|e| content(what, e.to_string()))
}

/// Serialises a record.
///
/// # Errors
/// [`Reason::Content`] if it is larger than [`RECORD_LIMIT`].
pub fn encode<T: Encode>(what: &'static str, value: &T) -> Result<Vec<u8>, FormatError> {
    let bytes = bincode::encode_to_vec(value, config()).map_err(|e| content(what, e.to_string()))?;
    // What is written must be readable.
    if bytes.len() > RECORD_LIMIT {
        return Err(content(what, format!("{} bytes, allowed are {RECORD_LIMIT}", bytes.len())));
    }
    Ok(bytes)
}

/// Reads a record that fills `bytes` exactly.
///
/// # Errors
/// [`Reason::Content`] if the bytes are not such a record, some are left over, or they are more than
/// [`RECORD_LIMIT`].
pub fn decode<T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    let (value, used) = read(what, bytes)?;
    if used != bytes.len() {
        return Err(content(what, format!("{} bytes left over", bytes.len() - used)));
    }
    Ok(value)
}

/// Reads a record at the start of `bytes` and leaves what follows it alone.
///
/// # Errors
/// [`Reason::Content`] if the bytes do not begin with such a record.
pub fn decode_prefix<T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    read(what, bytes).map(|(value, _)| value)
}

fn content(what: &'static str, reason: String) -> FormatError {
    FormatError::new(what, 0, Reason::Content(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Encode, Decode, Debug, PartialEq)]
    enum Sample {
        First,
        Second { name: String, list: Vec<u16>, maybe: Option<u32>, yes: bool },
    }

    #[test]
    fn a_short_record_cannot_claim_the_memory_of_a_long_one() {
        // 4,000 numbers of 8 bytes: little for 256 KiB, too much for the 8 bytes that are there.
        let claim = 4_000u64.to_le_bytes();
        let error = decode::<Vec<u64>>("list", &claim).unwrap_err().to_string();
        assert!(error.contains("LimitExceeded"), "{error}");
    }

    #[test]
    fn the_bytes_of_a_record_are_those_the_document_describes() {
        let value = Sample::Second { name: "ab".into(), list: vec![0x102], maybe: Some(3), yes: true };
        let bytes = encode("sample", &value).unwrap();
        let expected: &[u8] =
            &[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 3, 0, 0, 0, 1];
        assert_eq!(bytes, expected);
        assert_eq!(decode::<Sample>("sample", &bytes), Ok(value));
        assert!(decode::<Sample>("sample", &[0, 0, 0, 0, 9]).is_err());
    }

    #[test]
    fn a_list_that_claims_more_than_its_bytes_hold_is_refused_before_it_is_allocated() {
        for claimed in [1, 1 << 20, 1 << 40, u64::MAX / 2, u64::MAX] {
            let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(claimed.to_le_bytes());
            bytes.push(0);
            assert!(decode::<Sample>("sample", &bytes).is_err(), "{claimed}");
        }
    }

    #[test]
    fn whatever_a_list_takes_in_memory_a_record_is_read_up_to_16_mib() {
        for items in [100, 20_000, 1_000_000, RECORD_LIMIT / 12 - 1] {
            let stacks: Vec<(u32, Vec<u64>)> = (0..items as u32).map(|i| (i, Vec::new())).collect();
            let bytes = encode("sample", &stacks).unwrap();
            assert!(decode::<Vec<(u32, Vec<u64>)>>("sample", &bytes).is_ok_and(|same| same == stacks));
        }
        assert!(encode("sample", &vec![0u8; RECORD_LIMIT]).is_err());
        let mut long = encode("sample", &vec![0u8; RECORD_LIMIT - 8]).unwrap();
        assert!(decode_prefix::<Vec<u8>>("sample", &long).is_ok());
        long.push(0);
        assert!(decode_prefix::<Vec<u8>>("sample", &long).is_err());
    }
}
