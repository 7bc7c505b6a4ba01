//! Measuring what a probe costs: a child of this very program calls two functions of its own, without probes,
//! with a pair, and with an entry probe alone.
//!
//! The probes are the real programs with operation 0, for which the kernel side does everything and keeps
//! nothing. A child, because the recorder itself is never recorded.

use std::time::Instant;

use aya::maps::{Array, HashMap, MapData};
use ingero_ebpf_abi::{Arg, Cookie, Lane, Mode, Scale, ThreadState};

use super::Costs;
use crate::{
    attach::child::{OwnChild, file_offset},
    kernel::{CallProgram, Placer, Site},
};

/// Option under which this program measures; not for people.
pub const MEASURE: &str = "--measure-probes";
/// Runs of which the fastest counts: what is slower was disturbed.
const RUNS: usize = 12;
/// Calls in a run of the emulated, and of the stepped function.
const CALLS: (u32, u32) = (500, 60);

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl ingero_measured_push",
    ".type ingero_measured_push, @function",
    "ingero_measured_push: push rbp",
    "pop rbp",
    "ret",
    ".globl ingero_measured_step",
    ".type ingero_measured_step, @function",
    "ingero_measured_step: xor eax, eax",
    "nop",
    "ret",
);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    fn ingero_measured_push();
    fn ingero_measured_step();
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(never)]
extern "C" fn ingero_measured_push() {
    std::hint::black_box(());
}
#[cfg(not(target_arch = "x86_64"))]
use ingero_measured_push as ingero_measured_step;

fn functions() -> [unsafe extern "C" fn(); 2] {
    [ingero_measured_push, ingero_measured_step]
}

/// The child's part: says where its functions lie (offsets in its file), then, for each line on its input, what a call
/// of each takes, thousandths of ns. Two numbers a line, of the emulated function and of the stepped one.
pub fn measure() {
    let [push, step] = functions().map(|f| file_offset(f as usize as u64));
    println!("{push} {step}");
    for line in std::io::stdin().lines() {
        if line.is_err() {
            return;
        }
        let [push, step] = functions();
        println!("{} {}", fastest(push, CALLS.0), fastest(step, CALLS.1));
    }
}

// ns a call, times 1000.
fn fastest(function: unsafe extern "C" fn(), calls: u32) -> u64 {
    let run = |_| {
        let begun = Instant::now();
        for _ in 0..calls {
            // SAFETY: both functions take nothing, return nothing and touch only their own stack.
            unsafe { function() };
        }
        begun.elapsed().as_nanos() as u64 * 1000 / u64::from(calls)
    };
    (0..RUNS).map(run).min().unwrap_or(0)
}

/// The recorder's part. Leaves nothing behind, and falls back to [`Costs::default`] if anything is odd.
pub fn calibrate(
    placer: &mut Placer,
    modes: &mut Array<MapData, u32>,
    threads: &mut HashMap<MapData, u32, ThreadState>,
) -> Costs {
    let Ok(mut child) = OwnChild::start(MEASURE) else { return Costs::default() };
    let (pid, costs) = (child.pid(), costs(&mut child, placer, modes));
    let _ = modes.set(Lane::Rest as u32, Mode::Whole as u32, 0);
    drop(child);
    let _ = threads.remove(&pid);
    costs.unwrap_or_default()
}

fn costs(child: &mut OwnChild, placer: &mut Placer, modes: &mut Array<MapData, u32>) -> Option<Costs> {
    let offsets = child.pair()?;
    let exe = child.exe();
    let cookie = Cookie::new(0, Arg::A0, Arg::A1, Arg::None, Arg::None).with(Scale::One, Lane::Rest);
    let sites = offsets.map(|offset| Site { offset, cookie: cookie.0 });
    if offsets.contains(&0) {
        return None;
    }
    let base = ask(child)?;
    let mut with = |programs: &[CallProgram], child: &mut OwnChild| {
        let placed: Vec<_> = programs.iter().map(|p| placer.place(*p, &exe, &sites)).collect();
        let complete = placed.iter().all(|(_, refused)| refused.is_empty());
        ask(child).filter(|_| complete)
    };
    let pair = with(&[CallProgram::Return, CallProgram::Enter], child)?;
    modes.set(Lane::Rest as u32, Mode::Entry as u32, 0).ok()?;
    let entry = with(&[CallProgram::Mark], child)?;
    let cost = |with: u64, base: u64| with.saturating_sub(base) as f64 / 1000.0;
    let ([push, step], [push_pair, step_pair], [push_entry, step_entry]) = (base, pair, entry);
    let costs = Costs {
        entry_ns: cost(push_entry, push),
        pair_ns: cost(push_pair, push),
        stepped_entry_ns: cost(step_entry, step),
        stepped_pair_ns: cost(step_pair, step),
        measured: true,
    };
    // A probe that costs nothing did not fire.
    (costs.entry_ns > 20.0 && costs.pair_ns > costs.entry_ns / 2.0).then_some(costs)
}

fn ask(child: &mut OwnChild) -> Option<[u64; 2]> {
    child.go_on().ok()?;
    child.pair()
}
