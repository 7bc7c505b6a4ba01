//! `--check-host`: is this host fit, and what would be recorded? Nothing is changed; the one thing probed is a
//! child of this program, to see whether it minds.
//!
//! Printed as one JSON object, because its reader is `ingeroctl check`.

use std::fs::File;

use serde::Serialize;

use crate::{
    attach::{Prologue, Returns, functions, safety},
    budget::test_returns,
    config::{Config, ReturnProbes},
    discover::{MappedLibrary, Sonames, all_pids, describe_process, known_libraries},
    kernel::{self, Check, preflight},
};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct HostReport {
    /// Everything required is there.
    pub ready: bool,
    /// Each question with its answer.
    pub checks: Vec<CheckReport>,
    /// Libraries that would be probed.
    pub libraries: Vec<LibraryReport>,
    /// Processes that would be recorded.
    pub processes: Vec<ProcessReport>,
}

/// One question.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// What was asked.
    pub name: &'static str,
    /// Fit?
    pub ok: bool,
    /// Recording cannot go on without it.
    pub required: bool,
    /// What was found.
    pub found: String,
    /// What to do if it is not fit.
    pub remedy: &'static str,
}

/// One library.
#[derive(Debug, Serialize)]
pub struct LibraryReport {
    /// Path.
    pub path: String,
    /// How many functions would be probed.
    pub functions: usize,
    /// Of those, symbols of functions whose first instruction makes a probe about ten times as dear.
    pub slow: Vec<String>,
    /// Why it cannot be read, if it cannot.
    pub error: Option<String>,
}

/// One process.
#[derive(Debug, Serialize)]
pub struct ProcessReport {
    /// Process id.
    pub pid: u32,
    /// Name.
    pub comm: String,
    /// Libraries it maps.
    pub libraries: Vec<String>,
}

impl From<Check> for CheckReport {
    fn from(c: Check) -> Self {
        Self { name: c.name, ok: c.ok, required: c.required, found: c.found, remedy: c.remedy }
    }
}

/// Looks at the host.
#[must_use]
pub fn host_report(config: &Config) -> HostReport {
    let mut checks: Vec<CheckReport> = preflight().into_iter().map(CheckReport::from).collect();
    let ready = checks.iter().all(|c| c.ok || !c.required);
    checks.push(kernel::kept::check().into());
    if ready {
        checks.push(returns(config.probes.return_probes).into());
    }
    let wanted = |l: &MappedLibrary| l.kind.calls_wanted(&config.probes);
    let mut libraries: Vec<MappedLibrary> = known_libraries().into_iter().filter(wanted).collect();
    let (mut processes, mut sonames) = (Vec::new(), Sonames::default());
    for pid in all_pids() {
        let mapped: Vec<MappedLibrary> =
            sonames.mapped_libraries(pid).unwrap_or_default().into_iter().filter(wanted).collect();
        if mapped.is_empty() {
            continue;
        }
        let paths = mapped.iter().map(|l| l.path.clone()).collect();
        let described = describe_process(pid);
        // A recorder maps the driver's libraries when it asks for samples; it is never recorded.
        if described.as_ref().is_some_and(|p| same_program(&p.exe)) {
            continue;
        }
        let comm = described.map(|p| p.comm).unwrap_or_default();
        processes.push(ProcessReport { pid, comm, libraries: paths });
        for library in mapped {
            if libraries.iter().all(|known| known.id != library.id) {
                libraries.push(library);
            }
        }
    }
    HostReport { ready, checks, libraries: libraries.iter().map(library_report).collect(), processes }
}

fn returns(wanted: ReturnProbes) -> Check {
    let decided = match wanted {
        ReturnProbes::Never => Returns::decide(wanted, &Ok(())),
        _ => Returns::decide(wanted, &test_returns()),
    };
    let safe = "a program under a strict seccomp filter does not mind them".to_owned();
    Check {
        name: "return probes",
        ok: decided.warning.is_none(),
        found: decided.note.or(decided.warning).unwrap_or(safe),
        required: false,
        remedy: safety::REMEDY,
    }
}

fn same_program(exe: &str) -> bool {
    std::env::current_exe().is_ok_and(|own| own == std::path::Path::new(exe))
}

fn library_report(library: &MappedLibrary) -> LibraryReport {
    let found = File::open(&library.open)
        .map_err(|e| e.to_string())
        .and_then(|file| functions(file, library.kind).map_err(|e| e.to_string()));
    let path = library.path.clone();
    match found {
        Ok(found) => LibraryReport {
            path,
            functions: found.calls.len(),
            slow: found
                .calls
                .into_iter()
                .filter(|f| f.prologue != Prologue::Cheap)
                .map(|f| f.symbol)
                .collect(),
            error: None,
        },
        Err(e) => LibraryReport { path, functions: 0, slow: Vec::new(), error: Some(e) },
    }
}
