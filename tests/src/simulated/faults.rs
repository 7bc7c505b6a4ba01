//! Making one call, or all from one on, fail.

use std::io;

use nix::errno::Errno;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// With an error, having done nothing. A sync loses what it should have synced.
    Error(Errno),
    /// A write stores its first half, then fails.
    ShortWrite,
}

/// Which calls fail.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Calls so far.
    pub calls: u64,
    /// The call that fails, from 0.
    pub at: Option<(u64, Fault)>,
    /// All later calls fail too.
    pub sticky: bool,
    /// How many calls did fail.
    pub hit: u64,
}

impl Faults {
    /// Counts a call; gives the fault if it is to fail.
    pub fn hit_next(&mut self) -> Option<Fault> {
        let call = self.calls;
        self.calls += 1;
        let (at, fault) = self.at?;
        let fails = if self.sticky { call >= at } else { call == at };
        self.hit += u64::from(fails);
        fails.then_some(fault)
    }

    /// Counts a call that is no write.
    ///
    /// # Errors
    /// The fault, if it is to fail.
    pub fn check(&mut self) -> io::Result<()> {
        match self.hit_next() {
            None => Ok(()),
            Some(Fault::Error(errno)) => Err(errno.into()),
            Some(Fault::ShortWrite) => Err(Errno::EIO.into()),
        }
    }
}
