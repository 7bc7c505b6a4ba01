//! The recorder's half: these types may be read from map memory byte for byte.

use crate::{CpuCounters, ThreadState};

// SAFETY: both are `repr(C)`, made of integers only and without padding (their sizes are asserted), so
// any bytes are a valid value.
unsafe impl aya::Pod for CpuCounters {}
// SAFETY: as above.
unsafe impl aya::Pod for ThreadState {}
