//! Lives of a ring on the simulated disk, by seed.

use crate::simulated::{
    faults::{Fault, Faults},
    rig::{Rig, Sizes},
};

/// One life of a ring: steps, and at chance moments the end of a recorder in one of three ways. Gives the number
/// of power losses.
///
/// # Errors
/// The promise that was broken.
pub fn live(seed: u64, steps: u32) -> Result<u64, String> {
    let mut rig = Rig::new(seed, Sizes::default());
    rig.start()?;
    let mut losses = 0;
    for _ in 0..steps {
        rig.step();
        match rig.random.below(40) {
            0 => {
                rig.power_loss()?;
                losses += 1;
            }
            1 => rig.kill()?,
            2 => {
                rig.stop()?;
                rig.start()?;
            }
            _ => {}
        }
    }
    rig.stop()?;
    Ok(losses)
}

/// A script of chance steps in which one call, or all from one on, fails; true if that call was reached.
///
/// # Errors
/// The promise that was broken.
pub fn faulty(seed: u64, at: u64, fault: Fault, sticky: bool) -> Result<bool, String> {
    let mut rig = Rig::new(seed, Sizes::default());
    rig.disk.state().faults = Faults { at: Some((at, fault)), sticky, ..Faults::default() };
    // What a recorder says that cannot start names the file and the reason.
    let mut refused = rig.start().err();
    for _ in 0..50 {
        if refused.is_none() {
            rig.step();
        }
        if rig.random.one_in(17) {
            refused = rig.kill().err().filter(|e| e.starts_with('/'));
        }
    }
    let faults = std::mem::take(&mut rig.disk.state().faults);
    if rig.runs() {
        rig.stop()?;
    }
    rig.start()?;
    rig.stop()?;
    Ok(faults.hit > 0)
}

/// Every call of a script, one after the other, in every way it can fail; gives the number of scripts run.
///
/// # Errors
/// The promise that was broken, and where.
pub fn every_call(seed: u64) -> Result<u64, String> {
    use nix::errno::Errno::{EDQUOT, EIO, ENOSPC};
    let mut runs = 0;
    for fault in [Fault::Error(EIO), Fault::Error(ENOSPC), Fault::Error(EDQUOT), Fault::ShortWrite] {
        for sticky in [false, true] {
            for at in 0.. {
                runs += 1;
                let place = || format!("seed {seed}, call {at}, {fault:?}, sticky {sticky}");
                if !faulty(seed, at, fault, sticky).map_err(|e| format!("{}: {e}", place()))? {
                    break;
                }
            }
        }
    }
    Ok(runs)
}
