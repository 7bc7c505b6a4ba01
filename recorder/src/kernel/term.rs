//! Whose programs record: this recorder's, from the moment when it takes over.

use std::sync::Arc;

use aya::maps::{Array, MapData, MapError};
use ingero_ebpf_abi::Term;

use super::{Kept, start_ticks};
use crate::{Error, Result};

/// The map `TERM` in the hands of the recorder that writes it.
pub struct Tenure {
    term: Array<MapData, u64>,
    kept: Option<Arc<Kept>>,
    generation: u64,
}

impl Tenure {
    /// Takes the map. Without `begin` counters go on, and the programs of an earlier recorder stay in force for now;
    /// with it those of `generation` are from the start, and count in the epoch `begin` (Unix ns).
    ///
    /// # Errors
    /// If the kernel refuses the change.
    pub fn new(
        mut term: Array<MapData, u64>,
        kept: Option<Arc<Kept>>,
        generation: u64,
        begin: Option<u64>,
    ) -> std::result::Result<Self, MapError> {
        let me = std::process::id();
        term.set(Term::RecorderStart as u32, start_ticks(me).unwrap_or(0), 0)?;
        term.set(Term::Recorder as u32, u64::from(me), 0)?;
        if let Some(epoch) = begin {
            term.set(Term::Generation as u32, generation, 0)?;
            term.set(Term::Epoch as u32, epoch, 0)?;
        }
        Ok(Self { term, kept, generation })
    }

    /// From now on this recorder's programs record; those before are removed, which takes a while and is not waited
    /// for.
    ///
    /// # Errors
    /// If the kernel refuses the change; then the earlier programs go on.
    pub fn take_over(&mut self) -> Result<()> {
        self.term
            .set(Term::Generation as u32, self.generation, 0)
            .map_err(|e| Error::Other(format!("the programs cannot be put in force: {e}")))?;
        if let Some(kept) = self.kept.clone() {
            let remove = move || kept.remove_others();
            let _ = std::thread::Builder::new().name("retire".into()).spawn(remove);
        }
        Ok(())
    }
}
