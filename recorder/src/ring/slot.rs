//! The stores into a slot of the head, in the one order its readers rely on.
//!
//! A kill may come between any two stores, and the freezer copies slots while the drain fills them. What they may rely
//! on: a row is whole before the count includes it, and while a header is half written its checksum and its count are 0. All
//! stores go through [`SlotMemory`], so that the tests can stop after each of them, let a reader see them in any order
//! that the machine allows, and leave the mapped file out.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use ingero_format::{
    head::{PUBLISHED_OFFSET, SLOT_HEADER_BYTES},
    row::{ROW_BYTES, seal},
};

/// Offset of the word that ends with the header's checksum.
const CHECKSUM_WORD: usize = 24;

/// Memory that slots lie in. Places are bytes from its start.
pub trait SlotMemory {
    /// Stores `bytes`, whole words in any order; false if they do not lie in it.
    fn put(&mut self, at: usize, bytes: &[u8]) -> bool;

    /// Stores a count, a multiple of eight bytes from the start: seen after every store before it.
    fn publish(&mut self, at: usize, rows: u64);

    /// What is stored from here on is seen after everything before.
    fn settle(&self);
}

/// A mapped file.
pub struct Map<'a>(pub &'a mut [u8]);

impl SlotMemory for Map<'_> {
    #[inline]
    fn put(&mut self, at: usize, bytes: &[u8]) -> bool {
        let Some(to) = self.0.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) else {
            return false;
        };
        to.copy_from_slice(bytes);
        true
    }

    #[inline]
    fn publish(&mut self, at: usize, rows: u64) {
        if let Some(bytes) = self.0.get_mut(at..at + 8) {
            // SAFETY: the eight bytes lie in our own map at a multiple of eight from its page-aligned
            // start, and this process touches them only here, through this exclusive borrow.
            unsafe { AtomicU64::from_ptr(bytes.as_mut_ptr().cast()) }.store(rows.to_le(), Ordering::Release);
        }
    }

    #[inline]
    fn settle(&self) {
        fence(Ordering::Release);
    }
}

/// Takes the slot at `offset` into use; its old rows are in a frame.
pub fn begin(memory: &mut impl SlotMemory, offset: usize, header: &[u8; SLOT_HEADER_BYTES]) {
    let (fixed, _) = header.split_at(PUBLISHED_OFFSET);
    let (rest, with_checksum) = fixed.split_at(CHECKSUM_WORD);
    // At no moment may an old count stand beside the new generation.
    memory.publish(offset + PUBLISHED_OFFSET, 0);
    memory.settle();
    // Nor may a mixture of two headers be taken for damage: while it is one, its checksum is zero.
    memory.put(offset + CHECKSUM_WORD, &[0; PUBLISHED_OFFSET - CHECKSUM_WORD]);
    memory.settle();
    memory.put(offset, rest);
    memory.settle();
    memory.put(offset + CHECKSUM_WORD, with_checksum);
}

/// Adds a row, checked for the generation of `check_seed`, to a slot that has `rows`; false if it does not fit.
#[inline]
pub fn append(
    memory: &mut impl SlotMemory,
    offset: usize,
    rows: usize,
    row: &[u8; ROW_BYTES],
    check_seed: u32,
) -> bool {
    let mut sealed = *row;
    seal(&mut sealed, check_seed);
    if !memory.put(offset + SLOT_HEADER_BYTES + rows * ROW_BYTES, &sealed) {
        return false;
    }
    memory.publish(offset + PUBLISHED_OFFSET, rows as u64 + 1);
    true
}

#[cfg(test)]
pub mod recorded;
#[cfg(test)]
mod tests;
