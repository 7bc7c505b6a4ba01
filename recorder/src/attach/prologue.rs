//! The first instruction of a function decides what a probe on it costs.
//!
//! The kernel emulates `push`, `nop` and short jumps; anything else is executed out of line with a
//! single-step trap, about ten times as dear (arch/x86/kernel/uprobes.c, `branch_setup_xol_ops` and
//! `push_setup_xol_ops`).

/// How dear a probe at a function's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prologue {
    /// Emulated: about 1 µs.
    Cheap,
    /// `endbr64` and then a cheap instruction: the entry probe goes four bytes in, where arguments are
    /// still intact; the return probe cannot be moved and stays dear.
    Endbr,
    /// Single-stepped: about 10 µs.
    Slow,
}

const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

impl Prologue {
    /// Judges the first bytes of a function.
    #[must_use]
    pub fn of(code: &[u8]) -> Self {
        match code.split_first_chunk::<4>() {
            Some((&ENDBR64, rest)) if emulated(rest) => Self::Endbr,
            _ if emulated(code) => Self::Cheap,
            _ => Self::Slow,
        }
    }

    /// Bytes past the function's start at which the entry probe is placed.
    #[must_use]
    pub fn entry_offset(self) -> u64 {
        if self == Self::Endbr { ENDBR64.len() as u64 } else { 0 }
    }
}

#[cfg(target_arch = "x86_64")]
fn emulated(code: &[u8]) -> bool {
    match code {
        // push r64, without and with REX.B; nop; jmp rel8, rel32; multi-byte nop (0F 1F).
        [0x50..=0x57 | 0x90 | 0xeb | 0xe9, ..] | [0x41, 0x50..=0x57, ..] | [0x0f, 0x1f, ..] => true,
        // Operand-size prefixes before a nop, as assemblers pad with.
        [0x66, rest @ ..] => matches!(rest, [0x90 | 0x66, ..] | [0x0f, 0x1f, ..]),
        _ => false,
    }
}

// On arm64 most first instructions (stp, sub sp, bti) are simulated or stepped at like cost: not judged.
#[cfg(not(target_arch = "x86_64"))]
fn emulated(_: &[u8]) -> bool {
    true
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn first_instructions_are_judged_as_the_kernel_does() {
        for (code, expected) in [
            (&[0x55, 0x48, 0x89, 0xe5, 0, 0][..], Prologue::Cheap),
            (&[0x41, 0x57, 0x41, 0x56][..], Prologue::Cheap),
            (&[0x0f, 0x1f, 0x44, 0, 0][..], Prologue::Cheap),
            (&[0xf3, 0x0f, 0x1e, 0xfa, 0x55][..], Prologue::Endbr),
            (&[0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x89][..], Prologue::Slow),
            (&[0x48, 0x83, 0xec, 0x18][..], Prologue::Slow),
            (&[0x31, 0xc0][..], Prologue::Slow),
            (&[][..], Prologue::Slow),
        ] {
            assert_eq!(Prologue::of(code), expected, "{code:x?}");
        }
    }
}
