//! Attaching the raw tracepoints.

use aya::programs::RawTracePoint;

use super::{HostOffsets, Options, Placer, load::refused, programs::TRACEPOINTS};
use crate::{Error, Result, config::SourceName};

/// Attaches the programs of the configured sources. Gives in words what this kernel cannot give: a source is missing
/// by name, only process life is needed to go on.
///
/// # Errors
/// [`Error::Kernel`] if process life cannot be followed.
pub fn attach_tracepoints(placer: &mut Placer, options: &Options, host: HostOffsets) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for wanted in TRACEPOINTS {
        let always = wanted.source == SourceName::Process;
        if !always && !options.sources.contains(&wanted.source) {
            continue;
        }
        let fields = match wanted.source {
            SourceName::Block => host.request.is_some(),
            SourceName::Tcp => host.sock.is_some(),
            SourceName::Migrate => host.task_cpu.is_some(),
            _ => true,
        };
        let attached = if fields {
            attach(placer, wanted.program, wanted.tracepoint)
        } else {
            Err(refused("its fields", "they have other names in this kernel"))
        };
        match attached {
            Err(e) if always => return Err(e),
            Err(e) if !wanted.optional => {
                missing.push(format!("{:?} is not recorded in full: {e}", wanted.source).to_lowercase());
            }
            _ => {}
        }
    }
    Ok(missing)
}

fn attach(placer: &mut Placer, program: &str, tracepoint: &str) -> Result<()> {
    let what = format!("the raw tracepoint {tracepoint}");
    let (ebpf, kept) = placer.parts();
    let found: &mut RawTracePoint = ebpf
        .program_mut(program)
        .ok_or_else(|| Error::Other(format!("the BPF object has no program {program}")))?
        .try_into()
        .map_err(|e| refused(&what, e))?;
    found.load().map_err(|e| refused(&what, e))?;
    let id = found.attach(tracepoint).map_err(|e| refused(&what, e))?;
    if let Some(kept) = kept {
        let link = found.take_link(id).map_err(|e| refused(&what, e))?;
        // It is removed with everything that is kept, never alone.
        kept.pin_link(link.into()).map_err(|e| refused(&what, e))?.leave();
    }
    Ok(())
}
