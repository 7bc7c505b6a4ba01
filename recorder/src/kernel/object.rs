//! The committed BPF object, as `ebpf/rebuild.sh` makes it.

use aya::include_bytes_aligned;

/// The object's bytes, where an ELF reader may have them.
pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../../ebpf/prebuilt/ingero-probes.bpf.o");
