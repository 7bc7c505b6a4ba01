//! What probes cost here, and whether return probes are safe: tried with programs and maps of their own, which end
//! with the trial and touch nothing that records.

use aya::maps::{Array, HashMap, MapData, MapError};
use ingero_ebpf_abi::{Term, ThreadState};

use super::{Costs, calibrate};
use crate::{
    attach::safety,
    config::UserStacks,
    kernel::{MultiPrograms, Options, Placer, programs, term},
};

/// What a trial of probes found.
#[derive(Debug)]
pub struct Measured {
    /// What probes cost on this host.
    pub costs: Costs,
    /// Whether return probes were shown to be safe here, and why not.
    pub returns: Result<(), String>,
}

struct Trial {
    placer: Placer,
    modes: Array<MapData, u32>,
    threads: HashMap<MapData, u32, ThreadState>,
}

/// Measures what probes cost and tests return probes.
#[must_use]
pub fn try_probes() -> Measured {
    match Trial::new() {
        Ok(mut trial) => Measured {
            costs: calibrate(&mut trial.placer, &mut trial.modes, &mut trial.threads),
            returns: safety::test(&mut trial.placer, &mut trial.threads),
        },
        Err(e) => {
            Measured { costs: Costs::default(), returns: Err(format!("this could not be tested: {e}")) }
        }
    }
}

/// Whether return probes are safe on this host.
///
/// # Errors
/// Why not, in words.
pub fn test_returns() -> Result<(), String> {
    let mut trial = Trial::new()?;
    safety::test(&mut trial.placer, &mut trial.threads)
}

impl Trial {
    fn new() -> Result<Self, String> {
        let options = Options { sources: Vec::new(), kernel_stacks: false, user_stacks: UserStacks::Never };
        let (mut ebpf, _) = programs(&options, None).map_err(|e| e.to_string())?;
        let multi = MultiPrograms::load(&ebpf).ok();
        let map = |e: MapError| e.to_string();
        let mut term = term(&ebpf).map_err(map)?;
        let mut take = |name| ebpf.take_map(name).ok_or(format!("the BPF object has no map {name}"));
        let (threads, modes) = (take("THREADS")?, take("MODES")?);
        for (place, value) in [(Term::Generation, 1), (Term::Recorder, u64::from(std::process::id()))] {
            term.set(place as u32, value, 0).map_err(map)?;
        }
        let (threads, modes) = (threads.try_into().map_err(map)?, modes.try_into().map_err(map)?);
        Ok(Self { placer: Placer::new(ebpf, multi, None), modes, threads })
    }
}
