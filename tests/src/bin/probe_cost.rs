//! What a probed call costs, by class of its first instruction: recorded whole, recorded by its entry, and under
//! `bpftrace` with the usual entry-and-return histogram, in turn, in one run. Needs root; the peer is left out
//! with a message where it is not installed.
//!
//! ```text
//! cargo run --release -p ingero-tests --bin probe-cost
//! ```
#![expect(clippy::unwrap_used, reason = "a failed step is a failed measurement")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use clap::Parser;
use ingero_tests::{Lab, Program, harm::compile, live, paired::Paired};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Rounds, in each of which everything is measured once
    #[arg(long, default_value_t = 9)]
    pairs: u32,
}

/// Symbol, class, calls in a run.
const FUNCTIONS: [(&str, &str, u32); 3] = [
    ("cuCtxSynchronize", "push", 4000),
    ("cuStreamSynchronize", "nop5", 4000),
    ("cuEventSynchronize", "single-stepped", 400),
];

type Costs = [f64; FUNCTIONS.len()];

/// ns a call of each function now.
fn costs(program: &mut Program) -> Costs {
    let mut costs = Costs::default();
    for (i, (cost, (_, _, calls))) in costs.iter_mut().zip(FUNCTIONS).enumerate() {
        program.say(&format!("{i} {calls}"));
        *cost = program.line().parse::<f64>().unwrap() / 1000.0;
    }
    costs
}

/// The peer, probing all functions.
struct Peer(Child);

impl Peer {
    fn start(library: &Path) -> Option<Self> {
        let script: String = FUNCTIONS
            .iter()
            .enumerate()
            .map(|(i, (symbol, ..))| {
                let place = format!("{}:{symbol}", library.display());
                format!(
                    "uprobe:{place} {{ @s{i}[tid] = nsecs; }} uretprobe:{place} /@s{i}[tid]/ \
                     {{ @h{i} = hist(nsecs - @s{i}[tid]); delete(@s{i}[tid]); }} "
                )
            })
            .collect();
        let mut command = Command::new("bpftrace");
        command.args(["-e", &format!("BEGIN {{ printf(\"READY\\n\"); }} {script}")]);
        let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).any(|line| line.contains("READY"));
        assert!(ready, "bpftrace ended");
        // BEGIN runs before the last probe is in place.
        std::thread::sleep(std::time::Duration::from_millis(700));
        Some(Self(child))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT);
        let _ = self.0.wait();
    }
}

fn recorded(lab: &mut Lab, program: &mut Program, more: &str) -> Costs {
    lab.configure(more);
    lab.start();
    lab.until_covered(program.pid());
    let costs = costs(program);
    lab.stop();
    costs
}

fn build(lab: &Lab) -> (PathBuf, PathBuf) {
    let source = |name: &str| format!("{}/src/cost/{name}", env!("CARGO_MANIFEST_DIR"));
    let (library, program) = (lab.path("libcuda.so.1"), lab.path("program"));
    compile("gcc", &["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", &source("library.c")], &library);
    let folder = lab.path("").display().to_string();
    let (search, rpath) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    compile("gcc", &[&source("program.c"), &search, &rpath, "-l:libcuda.so.1"], &program);
    (library, program)
}

fn main() {
    let Arguments { pairs } = Arguments::parse();
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let (library, program) = build(&lab);
    let mut program = Program::start(&program, [""; 0]);
    program.line_with("READY");
    let mut ratios = FUNCTIONS.map(|_| [Paired::default(), Paired::default()]);
    let mut all: [Vec<Costs>; 4] = Default::default();
    for round in 0..pairs {
        let base = costs(&mut program);
        let whole = recorded(&mut lab, &mut program, "");
        let entry = recorded(&mut lab, &mut program, "[probes]\nreturn_probes = \"never\"\n");
        let peer = Peer::start(&library).map(|_running| costs(&mut program));
        if peer.is_none() && round == 0 {
            eprintln!("*** NOT COMPARED: bpftrace is not installed ***");
        }
        for (i, [of_whole, of_entry]) in ratios.iter_mut().enumerate() {
            let added = |costs: &Costs| costs.get(i).unwrap() - base.get(i).unwrap();
            if let Some(peer) = &peer {
                of_whole.push(added(&whole), added(peer));
                of_entry.push(added(&entry), added(peer));
            }
        }
        for (list, costs) in all.iter_mut().zip([Some(base), Some(whole), Some(entry), peer]) {
            list.extend(costs);
        }
        println!(
            "round {round}: unprobed {base:.0?}, whole {whole:.0?}, entry {entry:.0?}, bpftrace {peer:.0?}"
        );
    }
    report(&all, &ratios);
}

fn report(all: &[Vec<Costs>; 4], ratios: &[[Paired; 2]; FUNCTIONS.len()]) {
    println!("median ns a call, and what is added in relation to bpftrace's entry + return + hist:");
    for (i, ((symbol, class, _), [whole, entry])) in FUNCTIONS.iter().zip(ratios).enumerate() {
        let median = |costs: &Vec<Costs>| {
            let mut list: Vec<f64> = costs.iter().filter_map(|c| c.get(i).copied()).collect();
            list.sort_by(f64::total_cmp);
            list.get(list.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let [base, pair, mark, peer] = all.each_ref().map(median);
        println!(
            "{symbol} ({class}): unprobed {base:.1}, whole {pair:.0}, entry alone {mark:.0}, bpftrace {peer:.0}"
        );
        println!("  whole / bpftrace {whole}; limit 1.20: {}", whole.at_most(1.2));
        println!("  entry / bpftrace {entry}");
    }
}
