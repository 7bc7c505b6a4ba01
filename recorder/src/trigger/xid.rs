//! Errors that a GPU's driver reports by number (XID), by the events of its management library.
//!
//! The thread waits inside the library, which may never return: nobody joins it.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use nvml_wrapper::{Nvml, bitmasks::event::EventTypes, enums::event::XidError, error::NvmlError};

use super::{Ask, Kind, Triggers};
use crate::sample::nvml::{in_words, open};

/// How long it waits for an event before it asks whether it is to stop, ms.
const WAIT_MS: u32 = 1_000;
/// Time between two attempts to reach the library.
const RETRY: Duration = Duration::from_secs(60);

/// Asks for a snapshot at every such error until told to stop.
pub(super) fn run(library: &str, triggers: &Triggers, stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        if let Err(e) = open(library).and_then(|nvml| watch(&nvml, triggers, stop)) {
            triggers.set_broken(Kind::GpuXid, Some(format!("cannot watch: {}", in_words(&e))));
            thread::park_timeout(RETRY);
        }
    }
    triggers.set_broken(Kind::GpuXid, None);
}

fn watch(nvml: &Nvml, triggers: &Triggers, stop: &AtomicBool) -> Result<(), NvmlError> {
    let (mut set, mut watched) = (nvml.create_event_set()?, 0);
    for index in 0..nvml.device_count()? {
        let device = nvml.device_by_index(index)?;
        // One that cannot be watched would take the whole set with it.
        if device.supported_event_types().is_ok_and(|types| types.contains(EventTypes::CRITICAL_XID_ERROR)) {
            set = device.register_events(EventTypes::CRITICAL_XID_ERROR, set).map_err(|e| e.error)?;
            watched += 1;
        }
    }
    if watched == 0 {
        return Err(NvmlError::NotSupported);
    }
    triggers.set_broken(Kind::GpuXid, None);
    while !stop.load(Relaxed) {
        match set.wait(WAIT_MS) {
            Ok(event) => {
                let gpu = event.device.uuid().unwrap_or_else(|_| "?".into());
                let number = match event.event_data {
                    Some(XidError::Value(number)) => number.to_string(),
                    Some(XidError::Unknown) => "of unknown number".into(),
                    None => continue,
                };
                let reason = format!("XID error {number} of GPU {gpu}");
                triggers.ask(Kind::GpuXid, Ask { reason, ..Ask::default() });
            }
            Err(NvmlError::Timeout) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
