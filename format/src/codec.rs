//! The one place that names the serialisation crate.
//!
//! Messages, MANIFEST and state records are sequences of fields in declaration order: integers
//! little-endian at full width, `bool` as one byte, strings and lists as a u64 count and their items,
//! `Option` as a byte 0 or 1, an enum as its u32 variant number. `docs/FORMAT.md` says the same
//! without naming a crate, and golden bytes hold it fast, so that the crate can be replaced.

pub use bincode::{Decode, Encode};

use crate::{FormatError, Reason};

/// No record may claim more than this many bytes.
pub const RECORD_LIMIT: usize = 16 << 20;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<RECORD_LIMIT>()
}

/// Serialises a record.
///
/// # Errors
/// [`Reason::Content`] if it is larger than [`RECORD_LIMIT`].
pub fn encode<T: Encode>(what: &'static str, value: &T) -> Result<Vec<u8>, FormatError> {
    let bytes = bincode::encode_to_vec(value, config()).map_err(|e| content(what, e.to_string()))?;
    // The crate checks its limit when reading only: what is written must be readable.
    if bytes.len() > RECORD_LIMIT {
        return Err(content(what, format!("{} bytes, allowed are {RECORD_LIMIT}", bytes.len())));
    }
    Ok(bytes)
}

/// Reads a record that fills `bytes` exactly.
///
/// # Errors
/// [`Reason::Content`] if the bytes are not such a record or some are left over.
pub fn decode<T: Decode<()>>(what: &'static str, bytes: &[u8]) -> Result<T, FormatError> {
    let (value, used) =
        bincode::decode_from_slice(bytes, config()).map_err(|e| content(what, e.to_string()))?;
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
    bincode::decode_from_slice(bytes, config())
        .map(|(value, _)| value)
        .map_err(|e| content(what, e.to_string()))
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
    fn a_list_that_claims_more_than_the_limit_is_refused_before_it_is_allocated() {
        let mut bytes = vec![1, 0, 0, 0];
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(decode::<Sample>("sample", &bytes).is_err());
    }
}
