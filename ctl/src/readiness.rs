//! What the recorder's program says of this host.
//!
//! The questions are asked by `ingero-recorder --check-host`, with the very code that records: an answer
//! made up here could differ from what happens.

use std::{
    io::{self, Read},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::error::Error;

/// The recorder's program: beside this one, else wherever PATH says.
#[must_use]
pub fn recorder_program() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("ingero-recorder")));
    beside.filter(|p| p.exists()).unwrap_or_else(|| "ingero-recorder".into())
}

/// What the recorder's program says of this host.
///
/// # Errors
/// If it cannot be run, takes longer than `patience`, or says nothing that can be read.
pub fn host_report(patience: Duration) -> Result<Value, Error> {
    let program = recorder_program();
    let refused = |what: String| Error::Refused(format!("{}: {what}", program.display()));
    let cannot = |source: io::Error| {
        refused(format!("cannot be run: {source}; install ingero-recorder beside ingeroctl"))
    };
    let mut command = Command::new(&program);
    command.arg("--check-host").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(cannot)?;
    // Read beside the wait: a long report would fill the pipe.
    let mut stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.as_mut().map(|out| out.read_to_end(&mut bytes));
        read.map(|_| bytes).unwrap_or_default()
    });
    let begun = Instant::now();
    while child.try_wait().map_err(cannot)?.is_none() {
        if begun.elapsed() >= patience {
            // Both fail only for a child that has ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Err(refused(format!("--check-host took longer than {patience:?}; try it by hand")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let bytes = reader.join().unwrap_or_default();
    serde_json::from_slice(&bytes)
        .map_err(|_| refused("gave no report; is it of the same version?".to_owned()))
}
