//! A disk that forgets: the ring's own code on simulated storage.
//!
//! | module | part |
//! |---|---|
//! | [`disk`] | a `Storage` that keeps what was synced, and of the rest what chance decides |
//! | [`names`] | directory entries: in memory, on the disk, and on their way |
//! | [`faults`] | the N-th call fails |
//! | [`rig`] | head, sealer, flusher and freezer of the recorder, driven step by step |
//! | [`events`] | numbered events whose content follows from their number |
//! | [`contents`] | what a reader finds in a state directory |
//! | [`oracle`] | what it should find |
//!
//! Everything follows from a seed: the same seed and commit give the same run.

pub mod contents;
pub mod disk;
pub mod events;
pub mod faults;
pub mod names;
pub mod oracle;
pub mod random;
pub mod rig;
