//! A copy of the head while the drain goes on filling it.

use std::{
    io,
    sync::atomic::{Ordering, fence},
};

use ingero_format::{
    head::{Geometry, PAGE_BYTES, PUBLISHED_OFFSET, SLOT_HEADER_BYTES, verifies},
    row::ROW_BYTES,
};

/// A head of the slots `in_use`, each cut after its published rows, no larger than they need: rows of the others are in
/// frames. Read slot by slot, so that no more is held than there is. `read` fills its first argument from that offset
/// of the file.
///
/// # Errors
/// As `read` says. A head whose first page is damaged gives nothing.
pub fn used(in_use: &[usize], mut read: impl FnMut(&mut [u8], u64) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut page = vec![0; PAGE_BYTES];
    read(&mut page, 0)?;
    let Ok(geometry) = Geometry::read(&page) else { return Ok(Vec::new()) };
    let mut slots = Vec::new();
    for slot in in_use {
        slots.extend(used_slot(geometry, geometry.slot_offset(*slot) as u64, &mut read)?);
    }
    Ok(packed(&slots))
}

// A slot's header and published rows; none if it has none, or was taken into use anew meanwhile.
fn used_slot(
    geometry: Geometry,
    at: u64,
    read: &mut impl FnMut(&mut [u8], u64) -> io::Result<()>,
) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; SLOT_HEADER_BYTES];
    read(&mut header, at)?;
    // What the count includes was stored before it, and is to be read after it.
    fence(Ordering::Acquire);
    let count = header.get(PUBLISHED_OFFSET..).and_then(|b| b.first_chunk());
    let rows = count.map_or(0, |b| u64::from_le_bytes(*b) as usize).min(geometry.rows());
    if rows == 0 {
        return Ok(None);
    }
    let mut slot = vec![0; SLOT_HEADER_BYTES + rows * ROW_BYTES];
    let (place, body) = slot.split_at_mut(SLOT_HEADER_BYTES);
    place.copy_from_slice(&header);
    read(body, at + SLOT_HEADER_BYTES as u64)?;
    fence(Ordering::Acquire);
    // The drain goes on meanwhile. The header as first read belongs to these rows unless the slot was
    // taken into use anew, and then its old rows are in a frame that is linked already. The same
    // mixture of two headers can be read twice, when sources take turns: it does not verify.
    let mut after = [0; SLOT_HEADER_BYTES];
    read(&mut after, at)?;
    let same = header.get(..PUBLISHED_OFFSET) == after.get(..PUBLISHED_OFFSET) && verifies(&header);
    Ok(same.then_some(slot))
}

// A head file of just these slots, that ends with the last one's last row.
fn packed(slots: &[Vec<u8>]) -> Vec<u8> {
    let largest = slots.iter().map(Vec::len).max().unwrap_or(0).max(1).next_multiple_of(PAGE_BYTES);
    let geometry = Geometry { slots: slots.len().max(1) as u32, slot_bytes: largest as u32 };
    let mut out = geometry.to_bytes();
    for (i, slot) in slots.iter().enumerate() {
        out.resize(geometry.slot_offset(i), 0);
        out.extend(slot);
    }
    out
}

#[cfg(test)]
mod tests;
