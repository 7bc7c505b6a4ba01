//! What a probe costs on this host.

use std::fmt;

use ingero_ebpf_abi::Mode;

/// Time that an off-CPU interval costs its thread, ns: two hash lookups, a record (measured once on a 2-core
/// virtual machine, see docs/measurements).
pub const SWITCH_NS: f64 = 300.0;
/// Time that a kernel or user stack costs, ns; likewise.
pub const STACK_NS: f64 = 2_300.0;

/// ns for each call of an empty function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Entry probe alone, on an instruction that the kernel emulates.
    pub entry_ns: f64,
    /// Entry and return, likewise.
    pub pair_ns: f64,
    /// Entry probe alone, single-stepped.
    pub stepped_entry_ns: f64,
    /// Entry and return, single-stepped.
    pub stepped_pair_ns: f64,
    /// Measured here; otherwise the figures of another machine.
    pub measured: bool,
}

impl Default for Costs {
    // Those of an H100 host with Linux 6.18 for emulated probes, of a virtual machine for stepped ones.
    fn default() -> Self {
        Self {
            entry_ns: 620.0,
            pair_ns: 1_230.0,
            stepped_entry_ns: 10_000.0,
            stepped_pair_ns: 12_000.0,
            measured: false,
        }
    }
}

/// What a call of one lane costs in each mode, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LaneCost {
    /// Entry and return.
    pub pair_ns: f64,
    /// Entry alone.
    pub entry_ns: f64,
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a call costs {:.2} us with both its ends, {:.2} us with its entry alone ({:.1} and {:.1} us single-stepped; {})",
            self.pair_ns / 1000.0,
            self.entry_ns / 1000.0,
            self.stepped_pair_ns / 1000.0,
            self.stepped_entry_ns / 1000.0,
            if self.measured { "measured here" } else { "not measured here" },
        )
    }
}

impl Costs {
    /// Where no return is probed, a pair is an entry.
    #[must_use]
    pub fn without_returns(self) -> Self {
        Self { pair_ns: self.entry_ns, stepped_pair_ns: self.stepped_entry_ns, ..self }
    }

    /// The mean over a lane of whose functions `slow_share` (0 to 1) are single-stepped.
    #[must_use]
    pub fn lane(&self, slow_share: f64) -> LaneCost {
        let mix = |cheap: f64, slow: f64| cheap + (slow - cheap) * slow_share.clamp(0.0, 1.0);
        LaneCost {
            pair_ns: mix(self.pair_ns, self.stepped_pair_ns),
            entry_ns: mix(self.entry_ns, self.stepped_entry_ns),
        }
    }
}

impl LaneCost {
    /// In a mode, while it is on, ns.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> f64 {
        match mode {
            Mode::Whole => self.pair_ns,
            Mode::Entry | Mode::Duty => self.entry_ns,
            Mode::Off => 0.0,
        }
    }
}
