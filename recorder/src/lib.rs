//! The recorder: takes events out of the kernel and keeps the last of them on disk.
//!
//! Data flows one way, and so do these modules:
//!
//! | module | part |
//! |---|---|
//! | [`kernel`] | what this kernel offers; loading the BPF programs |
//! | [`discover`] | which processes use CUDA, and from which library files |
//! | [`attach`] | which functions of those files are probed, and how |
//! | [`budget`] | what recording costs, and what is left out when that is too much |
//! | [`annotate`] | what programs say of their own time |
//! | [`sample`] | numbers read at intervals: host, GPUs, cgroups, engines |
//! | [`drain`] | out of the BPF ring buffer: numbered, counted, named |
//! | [`ring`] | head, segments, eviction |
//! | [`freeze`] | links, MANIFEST, bundle |
//! | [`trigger`] | who may ask for a freeze |
//! | [`control`] | the socket |
//! | [`metrics`] | numbers for monitoring systems |
//! | [`config`], [`limits`], [`clock`], [`journal`], [`http`], [`socket`], [`pulse`], [`service`] | the frame around them |
//!
//! The thread that drains waits for nothing but the kernel: it copies rows into the mapped head and
//! hands full slots on. Encoding, disk, freezing and clients live on other threads.
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod annotate;
pub mod attach;
pub mod budget;
pub mod clock;
pub mod config;
pub mod continued;
pub mod control;
pub mod discover;
pub mod drain;
pub mod error;
pub mod freeze;
pub mod http;
pub mod journal;
pub mod kernel;
pub mod limits;
mod lock;
pub mod memory;
pub mod metrics;
pub mod news;
mod printable;
pub mod progress;
pub mod pulse;
pub mod ring;
pub mod sample;
pub mod service;
pub mod socket;
pub mod status;
pub mod storage;
pub mod trigger;

pub use error::{Error, Result};
