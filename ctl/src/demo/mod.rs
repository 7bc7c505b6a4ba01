//! A whole incident on a machine without a GPU: record, freeze, convert, explain.
//!
//! The CUDA library is a stand-in with a small model of a GPU behind it; probes, scheduler events, ring,
//! bundle and explanation are the real ones. Nothing in the recorder knows the stand-in.

mod child;
pub mod command;
mod injected;
mod stage;

use std::{fs, io::Write, path::Path, time::Duration};

use ingero_format::units::{show_bytes, show_ns};

use crate::{
    aside, client,
    conversion::convert,
    error::{Error, Outcome},
    explain::{Question, text},
    progress::Progress,
    recording,
};

use child::Running;
use injected::{Injected, now_ns, verdicts};
use stage::Stage;

/// What happens to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// A CPU hog on the engine's CPU, then kernels used for the first time.
    Incident,
    /// A CPU hog on the engine's CPU.
    #[value(alias = "hog")]
    Contention,
    /// Kernels used for the first time.
    #[value(alias = "storm")]
    FirstUse,
    /// Kernels that take longer on the GPU.
    GpuWait,
    /// A tokenizer that the engine has to wait for.
    DataStarvation,
    /// Nothing: there should be nothing to explain.
    Quiet,
}

impl Scenario {
    fn hog(self) -> bool {
        matches!(self, Self::Incident | Self::Contention)
    }

    fn storm(self) -> bool {
        matches!(self, Self::Incident | Self::FirstUse)
    }

    /// What the engine does differently for a while.
    fn phase(self) -> Option<Phase> {
        match self {
            Self::GpuWait => Some(Phase {
                name: "long-kernels",
                words: "each step launches a kernel that keeps the GPU for 9 ms more",
                cause: "gpu_wait",
            }),
            Self::DataStarvation => Some(Phase {
                name: "slow-tokenizer",
                words: "the tokenizer works 25 ms on each request, and the engine has to wait",
                cause: "data_starvation",
            }),
            _ => None,
        }
    }
}

/// A time in which the engine works differently.
struct Phase {
    /// As the engine knows it.
    name: &'static str,
    words: &'static str,
    /// As which it should be found.
    cause: &'static str,
}

/// Name under which the hog runs.
const HOG: &str = "batch-job";
/// Seconds of undisturbed work before anything happens.
const WARM: Duration = Duration::from_secs(6);
/// How long the hog runs.
const HOG_TIME: Duration = Duration::from_millis(2_500);
/// When the engine meets new kernels, after its start.
const STORM_AT: Duration = Duration::from_secs(10);
/// How many, and how long each takes to load, µs.
const STORM: (u32, u32) = (24, 8_000);
/// When the engine is different, after its start, and for how long.
const PHASE: (Duration, Duration) = (WARM, Duration::from_secs(3));
/// When the window is frozen.
const FREEZE_AT: Duration = Duration::from_secs(12);

/// Runs a scenario and leaves `DIR/demo.ingero` and `DIR/demo.db`.
///
/// # Errors
/// Without root, without the recorder's program, or if any step fails.
pub fn run(scenario: Scenario, output: &Path, out: &mut dyn Write) -> Result<Outcome, Error> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::Refused("demo: probes need root; run it with sudo".into()));
    }
    fs::create_dir_all(output).map_err(Error::writing(output))?;
    let (bundle, database) = (output.join("demo.ingero"), output.join("demo.db"));
    for old in [&bundle, &database] {
        let _ = fs::remove_file(old);
    }
    say(
        out,
        "The GPU is a stand-in: a library that exports CUDA's functions and behaves in time as a GPU would.",
    )?;
    say(out, "Everything else is real: eBPF probes, scheduler events, the ring on disk, the explanation.\n")?;

    let stage = Stage::set()?;
    say(out, &format!("recording into {}", stage.state_dir().display()))?;
    let mut engine = stage.start_engine(scenario, FREEZE_AT + Duration::from_secs(3))?;
    let pid = engine.pid();
    say(out, &format!("engine {pid} runs on CPU {}", stage.cpu()))?;
    let injected = inject(scenario, &stage, &mut engine, out)?;
    let taken = client::snapshot(&stage.socket(), 12_000_000_000, 1_000_000_000, "demo", false)?;
    client::fetch(&stage.socket(), &taken.id, &bundle)?;
    say(
        out,
        &format!(
            "frozen in {} while recording went on, bundle of {}",
            show_ns(taken.frozen_after_ns),
            show_bytes(taken.bytes)
        ),
    )?;
    drop(engine);
    stage.strike()?;

    convert(std::slice::from_ref(&bundle), &database, true, &Progress::none())?;
    let name = aside::name();
    writeln!(out, "\n$ {name} explain {}", bundle.display())?;
    let answer = recording::answer(&bundle, &Question::default(), &Progress::none())?;
    text::write(&answer, out)?;
    writeln!(out)?;
    for line in verdicts(&injected, pid, &answer) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "left:     {} and {}", bundle.display(), database.display())?;
    let query = "SELECT cause, comm, tid, attributed_ns, summary FROM findings ORDER BY rank";
    writeln!(out, "try:      {name} stats {}", bundle.display())?;
    writeln!(out, "          {name} query {} \"{query}\"", database.display())?;
    Ok(Outcome::default())
}

/// Lets the engine work undisturbed, then does to it what the scenario says, until the window is to be frozen.
fn inject(
    scenario: Scenario,
    stage: &Stage,
    engine: &mut Running,
    out: &mut dyn Write,
) -> Result<Vec<Injected>, Error> {
    let began_ns = now_ns();
    let after = |time: Duration| began_ns.saturating_add(time.as_nanos() as i64);
    let mut injected = Vec::new();
    std::thread::sleep(WARM);
    if scenario.hog() {
        let from_ns = now_ns();
        let mut hog = stage.start_hog(HOG_TIME)?;
        let pid = hog.pid();
        let words = format!("{HOG} ({pid}) burns the engine's CPU for {HOG_TIME:?}");
        say(out, &format!("injected: {words}"))?;
        hog.wait()?;
        let actor = format!("{HOG}/{pid}");
        injected.push(Injected { words, cause: "cpu_contention", actor, from_ns, to_ns: now_ns() });
    }
    if let Some(phase) = scenario.phase() {
        let (at, length) = PHASE;
        let words = format!("for {length:?} {}", phase.words);
        say(out, &format!("injected: {words}"))?;
        let (from_ns, to_ns) = (after(at), after(at + length));
        injected.push(Injected { words, cause: phase.cause, actor: String::new(), from_ns, to_ns });
    }
    engine.sleep_until(FREEZE_AT);
    if scenario.storm() {
        let (kernels, us) = STORM;
        let each = show_ns(u64::from(us) * 1000);
        let words = format!("{kernels} kernels used for the first time, {each} each");
        say(out, &format!("injected: {words}"))?;
        let (from_ns, to_ns) = (after(STORM_AT), after(FREEZE_AT));
        injected.push(Injected { words, cause: "first_use", actor: String::new(), from_ns, to_ns });
    }
    Ok(injected)
}

fn say(out: &mut dyn Write, text: &str) -> Result<(), Error> {
    writeln!(out, "{text}")?;
    // People watch it happen: a pipe must not hold the lines back.
    Ok(out.flush()?)
}
