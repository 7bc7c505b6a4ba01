//! Checks that several headers share.

use crate::{FormatError, Reason, bytes::crc32c};

/// Incompatible features that this version reads, one bit each: none beyond the first.
pub const KNOWN_INCOMPAT: u32 = 0;

/// Checks a CRC32C kept in the last four bytes of `whole`.
///
/// # Errors
/// [`Reason::Checksum`], or [`Reason::Short`] for fewer than four bytes.
pub(crate) fn check_crc(what: &'static str, whole: &[u8]) -> Result<(), FormatError> {
    let short = Reason::Short { needed: 4, available: whole.len() as u64 };
    let (body, stored) = whole.split_last_chunk::<4>().ok_or(FormatError::new(what, 0, short))?;
    let (stored, computed) = (u32::from_le_bytes(*stored), crc32c(&[body]));
    if stored == computed {
        Ok(())
    } else {
        Err(FormatError::new(what, 0, Reason::Checksum { stored, computed }))
    }
}

/// Refuses a file that needs a feature this code lacks, by the number of the feature's bit. `offset` is that of
/// the field.
pub(crate) fn refuse_unknown(what: &'static str, offset: u64, incompat: u32) -> Result<(), FormatError> {
    let unknown = incompat & !KNOWN_INCOMPAT;
    if unknown == 0 {
        return Ok(());
    }
    let bit = unknown.trailing_zeros();
    Err(FormatError::new(what, offset, Reason::Incompatible(format!("incompatible feature bit {bit}"))))
}
