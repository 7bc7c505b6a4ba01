//! Counts what is allocated. Only where a program says so:
//! `#[global_allocator] static COUNTING: Counting = Counting;`

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

fn took(bytes: usize) {
    let now = NOW.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(now, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promise is the one needed.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is the one needed.
        unsafe { System.dealloc(at, layout) }
    }
}

/// A measurement begins; one at a time.
#[must_use]
pub fn begin() -> usize {
    let now = NOW.load(Relaxed);
    PEAK.store(now, Relaxed);
    now
}

/// Most bytes held at once since then, beyond those held then.
#[must_use]
pub fn peak_since(before: usize) -> usize {
    let peak = PEAK.load(Relaxed).saturating_sub(before);
    HIGHEST.fetch_max(peak, Relaxed);
    peak
}

/// The highest of all measurements.
#[must_use]
pub fn highest() -> usize {
    HIGHEST.load(Relaxed)
}
