//! Which functions of a CUDA library are probed, and how.
//!
//! A library is identified by device and inode, never by path: one probe on an inode fires in every
//! process that maps it, also later ones, whatever they call it. Two names of one function are one
//! probe. Reading the library is reading hostile input: sizes are bounded and nothing panics.

mod arguments;
pub(crate) mod child;
mod elf;
mod probe;
mod prologue;
pub mod safety;
mod target;

pub use arguments::{arguments, lane};
pub use elf::{Found, Function, functions, holds_runtime, soname};
pub use probe::Prober;
pub use prologue::Prologue;
pub use safety::Returns;

use ingero_format::ops::{self, Op};

use crate::config::{Layers, Probes, SourceName};

/// The kind of a library, by file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LibraryKind {
    /// `libcuda.so*`.
    Driver,
    /// `libcudart.so*`.
    Runtime,
    /// A program or library with the runtime linked into it.
    StaticRuntime,
    /// `libnccl.so*`.
    Nccl,
}

impl LibraryKind {
    /// The kind of the library at a path, if it is one of ours.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let name = path.trim_end_matches(" (deleted)").rsplit('/').next()?;
        if name.starts_with("libcuda.so") {
            Some(Self::Driver)
        } else if name.starts_with("libcudart.so") || name.starts_with("libcudart-") {
            Some(Self::Runtime)
        } else if name.starts_with("libnccl.so") {
            Some(Self::Nccl)
        } else {
            None
        }
    }

    /// True if its calls are recorded under this configuration.
    #[must_use]
    pub fn calls_wanted(self, probes: &Probes) -> bool {
        match self {
            Self::Driver => probes.layers != Layers::Runtime,
            Self::Runtime | Self::StaticRuntime => probes.layers != Layers::Driver,
            Self::Nccl => probes.sources.contains(&SourceName::Nccl),
        }
    }

    /// True if it is a CUDA runtime, which also knows the names of kernels.
    #[must_use]
    pub fn is_runtime(self) -> bool {
        matches!(self, Self::Runtime | Self::StaticRuntime)
    }
}

/// The operation that an exported symbol performs: its name without version (`_v2`) and stream-mode suffix (`_ptds`,
/// `_ptsz`: cuda.h, cuda_runtime_api.h).
#[must_use]
pub fn operation(symbol: &str, kind: LibraryKind) -> Option<&'static Op> {
    let base = symbol.strip_suffix("_ptsz").or_else(|| symbol.strip_suffix("_ptds")).unwrap_or(symbol);
    let base = match base.rsplit_once("_v") {
        Some((name, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => base,
    };
    let layer = match kind {
        LibraryKind::Driver => "driver",
        LibraryKind::Runtime | LibraryKind::StaticRuntime => "runtime",
        LibraryKind::Nccl => "nccl",
    };
    ops::by_name(base).filter(|op| op.layer() == layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_with_version_and_stream_suffixes_are_one_operation() {
        let name = |s| operation(s, LibraryKind::Driver).map(|op| op.name);
        assert_eq!(name("cuMemcpyHtoDAsync_v2_ptsz"), Some("cuMemcpyHtoDAsync"));
        assert_eq!(name("cuLaunchKernel_ptsz"), Some("cuLaunchKernel"));
        assert_eq!(name("cuMemAlloc_v2"), Some("cuMemAlloc"));
        assert_eq!(name("cuCtxGetCurrent"), None);
        assert_eq!(name("cudaLaunchKernel"), None);
        assert_eq!(name("cuMemsetD2D8_v2"), Some("cuMemsetD2D8"));
    }

    #[test]
    fn libraries_are_told_by_name_at_any_path_and_when_deleted() {
        assert_eq!(LibraryKind::of_path("/a/b/libcuda.so.580.1 (deleted)"), Some(LibraryKind::Driver));
        assert_eq!(LibraryKind::of_path("/x/libcudart.so.13"), Some(LibraryKind::Runtime));
        assert_eq!(LibraryKind::of_path("/x/libcudadebugger.so.1"), None);
        assert_eq!(LibraryKind::of_path("/x/mylibcuda.so"), None);
    }
}
