//! A copy of the head while the drain goes on filling it.

use std::{
    io,
    sync::atomic::{Ordering, fence},
};

use ingero_format::{
    head::{Geometry, PAGE_BYTES, PUBLISHED_OFFSET, SLOT_HEADER_BYTES, verifies},
    row::ROW_BYTES,
};

/// The head with each slot cut after its published rows, at the same offsets; the rest reads as zeros. Read slot by slot,
/// so that no more is held than there is. `read` fills its first argument from that offset of the file.
///
/// # Errors
/// As `read` says. A head whose first page is damaged gives nothing.
pub fn used(mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; PAGE_BYTES];
    read(&mut bytes, 0)?;
    let Ok(geometry) = Geometry::read(&bytes) else { return Ok(Vec::new()) };
    for slot in 0..geometry.slots as usize {
        let at = geometry.slot_offset(slot);
        let mut header = [0; SLOT_HEADER_BYTES];
        read(&mut header, at as u64)?;
        // What the count includes was stored before it, and is to be read after it.
        fence(Ordering::Acquire);
        let count = header
            .get(PUBLISHED_OFFSET..)
            .and_then(|b| b.first_chunk())
            .map_or(0, |b| u64::from_le_bytes(*b));
        let rows = (count as usize).min(geometry.rows());
        if rows == 0 {
            continue;
        }
        let (from, to) = (at + SLOT_HEADER_BYTES, at + SLOT_HEADER_BYTES + rows * ROW_BYTES);
        bytes.resize(to, 0);
        read(bytes.get_mut(from..to).unwrap_or_default(), from as u64)?;
        fence(Ordering::Acquire);
        // The drain goes on meanwhile. The header as first read belongs to these rows unless the slot was
        // taken into use anew, and then its old rows are in a frame that is linked already. The same
        // mixture of two headers can be read twice, when sources take turns: it does not verify.
        let mut after = [0; SLOT_HEADER_BYTES];
        read(&mut after, at as u64)?;
        let same = header.get(..PUBLISHED_OFFSET) == after.get(..PUBLISHED_OFFSET) && verifies(&header);
        let place = bytes.get_mut(at..from).unwrap_or_default();
        place.iter_mut().zip(header).filter(|_| same).for_each(|(to, from)| *to = from);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
