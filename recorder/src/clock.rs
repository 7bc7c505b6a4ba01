//! The two clocks. Events carry CLOCK_BOOTTIME; one anchor turns it into Unix time.

use ingero_format::segment::Anchor;
use nix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> u64 {
    clock_gettime(clock)
        .map_or(0, |t| t.tv_sec().cast_unsigned() * 1_000_000_000 + t.tv_nsec().cast_unsigned())
}

/// CLOCK_BOOTTIME, ns.
#[must_use]
pub fn boot_ns() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// CPU time of this process, ns.
#[must_use]
pub fn process_cpu_ns() -> u64 {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// Both clocks at one moment: the narrowest of a few tries.
#[must_use]
pub fn anchor() -> Anchor {
    let one = || {
        let before = boot_ns();
        let real_ns = read(ClockId::CLOCK_REALTIME);
        let width = boot_ns() - before;
        Anchor { boot_ns: before + width / 2, real_ns, uncertainty_ns: width.div_ceil(2) }
    };
    (0..8).map(|_| one()).min_by_key(|a| a.uncertainty_ns).unwrap_or_default()
}

/// Unix time, ns, of a boottime by an anchor.
#[must_use]
pub fn to_real(anchor: &Anchor, boot_ns: u64) -> u64 {
    (anchor.real_ns + boot_ns).saturating_sub(anchor.boot_ns)
}

/// This boot's id, `/proc/sys/kernel/random/boot_id`; zeros if the kernel does not tell.
#[must_use]
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let mut id = [0; 16];
    for (to, pair) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
        *to = pair[0] << 4 | pair[1];
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_turns_boottime_into_unix_time() {
        let anchor = Anchor { boot_ns: 100, real_ns: 1_000_000, uncertainty_ns: 1 };
        assert_eq!(to_real(&anchor, 150), 1_000_050);
        assert_eq!(to_real(&anchor, 50), 999_950);
        assert_ne!(boot_id(), [0; 16]);
        assert!(super::anchor().real_ns > 1_600_000_000_000_000_000);
    }
}
