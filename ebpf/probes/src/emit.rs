//! Numbering, counting and submitting of records.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::helpers::{bpf_get_smp_processor_id, generated::bpf_ringbuf_query};
use ingero_ebpf_abi::{CpuCounters, LossCause, Notice, NoticeKind, Source};

use crate::{
    globals,
    maps::{COUNTERS, EVENTS, NOTICES},
};

const NO_WAKEUP: u64 = aya_ebpf::bindings::BPF_RB_NO_WAKEUP as u64;
const FORCE_WAKEUP: u64 = aya_ebpf::bindings::BPF_RB_FORCE_WAKEUP as u64;
const AVAILABLE: u64 = aya_ebpf::bindings::BPF_RB_AVAIL_DATA as u64;

#[inline(always)]
fn counters() -> Option<&'static CpuCounters> {
    COUNTERS.get(0)
}

// Programs can interrupt each other on one CPU, so a plain increment could lose a count. The target
// hides `AtomicU64::fetch_add` because it has no compare-and-swap; the instruction itself exists (5.12).
// Sequentially consistent, because LLVM 22 turns a relaxed add into the form that returns nothing, even
// where its result is used: every event then had number 1.
#[inline(always)]
fn add(counter: *const u64, amount: u64) -> u64 {
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(counter.cast_mut(), amount) }
}

/// Takes the next number of this CPU for `source`. An event that has a number and is not submitted
/// must be counted with [`lose`].
#[inline(always)]
pub fn number(source: Source) -> u64 {
    let Some(counters) = counters() else { return 0 };
    let seq = add(&raw const counters.produced[source as usize], 1);
    let cpu = u64::from(unsafe { bpf_get_smp_processor_id() });
    cpu << 48 | (seq & ((1 << 48) - 1))
}

/// Counts one numbered event as not kept.
#[inline(always)]
pub fn lose(source: Source, cause: LossCause) {
    if let Some(counters) = counters() {
        add(&raw const counters.lost[source as usize][cause as usize], 1);
    }
}

/// An event that should have been and never got so far as a record: numbered and lost at once.
#[inline(always)]
pub fn miss(source: Source) {
    number(source);
    lose(source, LossCause::ProbeMissed);
}

/// Counts a kernel stack that was skipped or could not be stored.
#[inline(always)]
pub fn count_stack(skipped: bool) {
    if let Some(counters) = counters() {
        let counter =
            if skipped { &raw const counters.stacks_skipped } else { &raw const counters.stacks_lost };
        add(counter, 1);
    }
}

// A wake-up per event costs four times the event itself. The recorder comes by on its own; it is
// woken early only by the record that crosses the watermark.
#[inline(always)]
fn wake_flags(size: usize) -> u64 {
    let waiting = unsafe { bpf_ringbuf_query(&raw const EVENTS as *mut _, AVAILABLE) };
    let mark = globals::wake_bytes();
    if waiting >= mark && waiting < mark + 2 * (size as u64 + 8) { FORCE_WAKEUP } else { NO_WAKEUP }
}

/// Reserves a record, lets `fill` write it, and submits it; false if the buffer is full.
#[inline(always)]
pub fn record<T: 'static>(fill: impl FnOnce(*mut T)) -> bool {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else { return false };
    fill(entry.as_mut_ptr());
    entry.submit(wake_flags(size_of::<T>()));
    true
}

/// The same, kept only if `fill` says so; true if it was kept.
#[inline(always)]
pub fn record_if<T: 'static>(fill: impl FnOnce(*mut T) -> bool) -> bool {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else { return false };
    let keep = fill(entry.as_mut_ptr());
    if keep {
        entry.submit(wake_flags(size_of::<T>()));
    } else {
        entry.discard(NO_WAKEUP);
    }
    keep
}

/// Does all that [`record`] costs and keeps nothing: for measuring.
#[inline(always)]
pub fn discard<T: 'static>(fill: impl FnOnce(*mut T)) {
    if let Some(mut entry) = EVENTS.reserve::<T>(0) {
        fill(entry.as_mut_ptr());
        entry.discard(NO_WAKEUP);
    }
}

/// Counts a name that was not kept.
#[inline(always)]
pub fn lose_name() {
    if let Some(counters) = counters() {
        add(&raw const counters.names_lost, 1);
    }
}

/// The same for an event of a source, with its loss counted.
#[inline(always)]
pub fn event<T: 'static>(source: Source, fill: impl FnOnce(*mut T, u64)) {
    let origin = number(source);
    if !record(|slot: *mut T| fill(slot, origin)) {
        lose(source, LossCause::RingbufFull);
    }
}

/// Tells the discovery to look at a process.
#[inline(always)]
pub fn notice(kind: NoticeKind, pid: u32) {
    let notice = Notice { kind: kind as u32, pid };
    let _ = NOTICES.output::<Notice>(notice, 0);
}
