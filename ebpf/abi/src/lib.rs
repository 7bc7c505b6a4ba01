//! The bytes that cross from the kernel to the recorder.
//!
//! Both sides compile this crate, so it is `no_std` and holds plain data only. Every struct is
//! `repr(C)` without padding, and its size is asserted, because the verifier refuses to copy
//! uninitialised padding and user space reads the bytes back by offset.
//!
//! [`Event`] has the layout of an on-disk row (`format::row`) but for its last four bytes: between
//! kernel and drain they hold the record's [`RecordKind`], on disk the row's checksum. The drain
//! therefore copies 60 bytes and computes one CRC; it never translates fields.
#![cfg_attr(not(test), no_std)]

mod cookie;
mod counters;
mod record;
mod term;
mod thread;
#[cfg(feature = "user")]
mod user;

pub use cookie::{Arg, Cookie, LANES, Lane, Mode, Scale};
pub use counters::{CpuCounters, LOSS_CAUSES, LossCause, SOURCES, Source};
pub use record::{
    COMM_LEN, Event, NameRecord, Notice, NoticeKind, OffCpuRecord, PeerRecord, RecordKind, TEXT_LEN, TaskId,
    TextRecord, flags, host_op, process_op, sched_op,
};
pub use term::{LAYOUT, Term};
pub use thread::{MAX_NESTED_CALLS, OpenCall, ProcessRole, Request, ThreadState};
