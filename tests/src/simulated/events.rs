//! Events whose content follows from their number.

use ingero_format::{
    Row,
    ops::{self, Source},
    row::{ROW_BYTES, origin},
};

use super::random::mix;

/// What names an event for ever: epoch, CPU, source, number.
pub type Key = (u64, u16, u8, u64);

/// CPUs that number events.
pub const CPUS: u16 = 3;
/// Sources with numbers from the kernel.
pub const SOURCES: [Source; 3] = [Source::Cuda, Source::Sched, Source::Process];

/// The event of a name, which ended at `end_ns`.
#[must_use]
pub fn event((epoch, cpu, source, seq): Key, end_ns: u64) -> Row {
    let noise = mix(epoch ^ mix(u64::from(cpu) << 32 | u64::from(source) << 16 ^ seq));
    let op = match source {
        0 => ops::CU_LAUNCH_KERNEL,
        1 => ops::OFF_CPU,
        _ => ops::EXEC,
    };
    Row {
        end_ns,
        dur_ns: noise % 50_000,
        pid: 100 + (noise >> 20) as u32 % 3,
        tid: 200 + (noise >> 24) as u32 % 7,
        arg0: if noise.is_multiple_of(5) { noise } else { noise % 16 },
        arg1: noise % 4,
        origin: origin(cpu, seq),
        op,
        flags: 0,
        ret: 0,
        stack: 0,
    }
}

/// The event as the kernel side hands it over.
#[must_use]
pub fn record(row: &Row) -> [u8; ROW_BYTES] {
    const PLAIN: u32 = 1;
    let mut bytes = row.to_bytes(0);
    bytes[ROW_BYTES - 4..].copy_from_slice(&PLAIN.to_le_bytes());
    bytes
}
