//! Whether return probes are safe on this host for programs under a seccomp filter.
//!
//! From Linux 6.11 on a return probe makes the probed program enter a system call of its own (`uretprobe`, and
//! `uprobe` for an entry probe on a five-byte nop from 6.18). A filter that does not know it kills the program,
//! until the kernel has the correction that lets these calls pass. No version number tells: distributions carry
//! corrections back. So a child of this very program puts itself under the strictest filter and calls functions
//! of its own that are probed. If it does not come out alive with the right results, calls are recorded by entry
//! probes alone.

use aya::maps::{HashMap, MapData};
use ingero_ebpf_abi::{Arg, Cookie, Lane, Scale, ThreadState};

use super::child::{OwnChild, file_offset};
use crate::{
    config::ReturnProbes,
    kernel::{CallProgram, Placer, Site},
};

/// Option under which this program is the child; not for people.
pub const TEST: &str = "--test-return-probes";
/// For tests: a child that finds this in its environment dies as under a kernel without the correction.
pub const FAKE: &str = "INGERO_FAKE_UNSAFE_RETURN_PROBES";
/// Calls before the filter, so that the kernel has rewritten the probed instructions, and under it.
const CALLS: u32 = 50;
/// What the child prints at the end.
const ALIVE: &str = "alive\n";

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl ingero_tested_push",
    ".type ingero_tested_push, @function",
    "ingero_tested_push: push rbp",
    "lea eax, [rdi + 1]",
    "pop rbp",
    "ret",
    ".globl ingero_tested_nop",
    ".type ingero_tested_nop, @function",
    "ingero_tested_nop: .byte 0x0f, 0x1f, 0x44, 0x00, 0x00",
    "lea eax, [rdi + 1]",
    "ret",
);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    fn ingero_tested_push(n: u32) -> u32;
    fn ingero_tested_nop(n: u32) -> u32;
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(never)]
extern "C" fn ingero_tested_push(n: u32) -> u32 {
    std::hint::black_box(n) + 1
}
#[cfg(not(target_arch = "x86_64"))]
use ingero_tested_push as ingero_tested_nop;

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Returns {
    /// Whether return probes are placed.
    pub used: bool,
    /// What whoever runs the recorder should know.
    pub warning: Option<String>,
    /// What whoever reads a recording should know.
    pub note: Option<String>,
}

/// How to come by what was given up.
pub const REMEDY: &str = "use a kernel whose seccomp lets uretprobe pass, or set [probes] return_probes = \"always\" if no recorded \
     program runs under a seccomp filter";

impl Returns {
    /// Weighs the configuration and the outcome of the test.
    #[must_use]
    pub fn decide(wanted: ReturnProbes, tested: &Result<(), String>) -> Self {
        const NO_ENDS: &str = "calls are recorded without their ends and have no duration";
        match (wanted, tested) {
            (ReturnProbes::Never, _) => Self {
                used: false,
                warning: None,
                note: Some(format!("{NO_ENDS}: [probes] return_probes = \"never\"")),
            },
            (_, Ok(())) => Self { used: true, warning: None, note: None },
            (ReturnProbes::Always, Err(why)) => Self {
                used: true,
                warning: Some(format!(
                    "return probes are not safe here for programs under a seccomp filter, but configured: {why}"
                )),
                note: None,
            },
            (ReturnProbes::Auto, Err(why)) => {
                let text = format!(
                    "{NO_ENDS}: return probes are not safe for programs under a seccomp filter: {why}"
                );
                Self { used: false, warning: Some(format!("{text}; {REMEDY}")), note: Some(text) }
            }
        }
    }
}

/// The child's part: says where its functions lie, and once told that they are probed calls them under a filter.
pub fn subject() {
    let [push, nop] = [ingero_tested_push as *const (), ingero_tested_nop as *const ()];
    println!("{} {}", file_offset(push as u64), file_offset(nop as u64));
    let fake = std::env::var_os(FAKE).is_some();
    if std::io::stdin().read_line(&mut String::new()).is_err() || !calls() || !filter() {
        return;
    }
    if fake {
        // Not among the system calls that may pass.
        std::hint::black_box(nix::unistd::getppid());
    }
    // Nothing here may make any system call but the two that the filter knows.
    let right = calls();
    // SAFETY: writes a constant; ends this process without anything that would need more system calls.
    unsafe {
        if right {
            libc::write(1, ALIVE.as_ptr().cast(), ALIVE.len());
        }
        libc::syscall(libc::SYS_exit_group, 0);
    }
}

fn calls() -> bool {
    // SAFETY: both functions add one to their argument and touch only their own stack.
    (0..CALLS).all(|n| unsafe { ingero_tested_push(n) == n + 1 && ingero_tested_nop(n) == n + 1 })
}

// Kills this process at any system call but `write` and `exit_group`.
fn filter() -> bool {
    let rule = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let (equal, give) = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::BPF_RET | libc::BPF_K);
    let mut rules = [
        // The system call's number is the first field of `seccomp_data`.
        rule(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        rule(equal, 2, 0, libc::SYS_write as u32),
        rule(equal, 1, 0, libc::SYS_exit_group as u32),
        rule(give, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        rule(give, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: rules.len() as u16, filter: rules.as_mut_ptr() };
    // SAFETY: `program` and the rules it points to live through the call, which copies them.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    }
}

/// The recorder's part: probes the child as libraries are probed, and sees whether it lives. Leaves nothing behind.
///
/// # Errors
/// What happened to the child, or why it could not be tested, in words.
pub fn test(placer: &mut Placer, threads: &mut HashMap<MapData, u32, ThreadState>) -> Result<(), String> {
    let mut child = OwnChild::start(TEST).map_err(|e| format!("the test program did not start: {e}"))?;
    let (pid, outcome) = (child.pid(), watch(&mut child, placer));
    let ended = child.end();
    let _ = threads.remove(&pid);
    match (outcome, ended) {
        (Ok(true), _) => Ok(()),
        (Ok(false), Ok(status)) => {
            Err(format!("a test program under one was probed and ended with {status}"))
        }
        (Ok(false), Err(e)) => Err(format!("a test program under one was probed and is lost: {e}")),
        (Err(e), _) => Err(format!("this could not be tested: {e}")),
    }
}

// True if the child came out alive.
fn watch(child: &mut OwnChild, placer: &mut Placer) -> Result<bool, String> {
    let [push, nop] = child.pair().ok_or("the test program did not answer")?;
    if push == 0 || nop == 0 {
        return Err("the test program does not know its own functions".to_owned());
    }
    let cookie = Cookie::new(0, Arg::A0, Arg::None, Arg::None, Arg::None).with(Scale::One, Lane::Rest).0;
    let exe = child.exe();
    let mut place = |program, offset| placer.place(program, &exe, &[Site { offset, cookie }]);
    let placed =
        [place(CallProgram::Return, push), place(CallProgram::Enter, push), place(CallProgram::Mark, nop)];
    if let Some((_, why)) = placed.iter().flat_map(|(_, refused)| refused).next() {
        return Err(format!("the test program could not be probed: {why}"));
    }
    child.go_on().map_err(|e| format!("the test program does not listen: {e}"))?;
    Ok(child.line().is_some_and(|said| said == ALIVE.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_probes_are_given_up_only_where_they_are_unsafe_and_nobody_insists() {
        let (safe, unsafe_here) = (Ok(()), Err("it died".to_owned()));
        for (wanted, tested, used, warned, noted) in [
            (ReturnProbes::Auto, &safe, true, false, false),
            (ReturnProbes::Auto, &unsafe_here, false, true, true),
            (ReturnProbes::Always, &safe, true, false, false),
            (ReturnProbes::Always, &unsafe_here, true, true, false),
            (ReturnProbes::Never, &safe, false, false, true),
            (ReturnProbes::Never, &unsafe_here, false, false, true),
        ] {
            let got = Returns::decide(wanted, tested);
            assert_eq!(
                (got.used, got.warning.is_some(), got.note.is_some()),
                (used, warned, noted),
                "{wanted:?} {tested:?} gave {got:?}"
            );
        }
    }
}
