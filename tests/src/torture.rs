//! Long runs that try to break the ring, and the line each leaves in `docs/RELIABILITY.md`.

pub mod copy_on_write;
pub mod daemon_kill;
pub mod damage;
pub mod feeder;
pub mod freeze;
pub mod kill;
pub mod large;
pub mod lies;
pub mod overload;
pub mod quota;
pub mod record;
pub mod scripts;
