//! Loading the committed BPF object; nothing is attached yet.

use std::sync::Arc;

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf, StackTraceMap},
};
use ingero_ebpf_abi::{CpuCounters, ThreadState};

use super::{
    HostOffsets, Kept, MultiPrograms, Placer, Reserve, TaskOffsets, Tenure, host_offsets, kept::MAPS,
    namespace::namespace, object::OBJECT, task_offsets,
};
use crate::{
    Error, Result,
    config::{SourceName, UserStacks},
    limits,
};

/// What the caller decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is recorded.
    pub sources: Vec<SourceName>,
    /// Take kernel stacks of blocked threads.
    pub kernel_stacks: bool,
    /// Take user stacks.
    pub user_stacks: UserStacks,
}

/// The loaded programs with each map in the hands of its one user.
pub struct Loaded {
    /// Keeps programs and tracepoints alive, and places the call programs.
    pub placer: Placer,
    /// Events, for the drain.
    pub events: RingBuf<MapData>,
    /// Hints, for the discovery.
    pub notices: RingBuf<MapData>,
    /// Threads, for the discovery to enrol.
    pub threads: HashMap<MapData, u32, ThreadState>,
    /// Threads again, for the freezer to read open calls.
    pub open_threads: HashMap<MapData, u32, ThreadState>,
    /// Processes, for the discovery.
    pub processes: HashMap<MapData, u32, u32>,
    /// Kernel stacks, for the drain.
    pub stacks: StackTraceMap<MapData>,
    /// Counters, for the drain.
    pub counters: PerCpuArray<MapData, CpuCounters>,
    /// How each lane is recorded, for the budget.
    pub modes: Array<MapData, u32>,
    /// Whose programs record.
    pub tenure: Tenure,
    /// How far ids are given out, for the drain.
    pub reserve: Reserve,
    /// Fields of this kernel that the tracepoints need.
    pub host: HostOffsets,
}

/// Whose counters count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Those of an earlier recorder go on.
    On,
    /// New ones begin, of this epoch (Unix ns).
    Since(u64),
}

pub(super) fn refused(what: &str, e: impl std::fmt::Display) -> Error {
    Error::Kernel {
        what: format!("the kernel refused {what}: {e}"),
        remedy: "run `ingeroctl check` to see what this host lacks",
    }
}

/// Loads the object over the maps in `kept`, or with maps that end with this process.
///
/// # Errors
/// [`Error::Kernel`] naming what the kernel lacks or refused.
pub fn load(options: &Options, kept: Option<Arc<Kept>>, counting: Counting) -> Result<Loaded> {
    let (mut ebpf, host) = programs(options, kept.as_deref())?;
    let multi = MultiPrograms::load(&ebpf).ok();
    let map = |e: MapError| refused("a map", e);
    let [term, reserve] = [term(&ebpf).map_err(map)?, term(&ebpf).map_err(map)?];
    let mut take = |name: &'static str| {
        ebpf.take_map(name).ok_or_else(|| Error::Other(format!("the BPF object has no map {name}")))
    };
    let (threads, modes) = (take("THREADS")?, take("MODES")?);
    let (events, notices) = (take("EVENTS")?, take("NOTICES")?);
    let (processes, stacks, counters) = (take("PROCESSES")?, take("STACKS")?, take("COUNTERS")?);
    let open_threads = second_handle(&threads).map_err(map)?;
    let (generation, begin) = (
        kept.as_ref().map_or(1, |kept| kept.generation()),
        match counting {
            Counting::On => None,
            Counting::Since(epoch) => Some(epoch),
        },
    );
    Ok(Loaded {
        tenure: Tenure::new(term, kept.clone(), generation, begin).map_err(map)?,
        placer: Placer::new(ebpf, multi, kept),
        events: events.try_into().map_err(map)?,
        notices: notices.try_into().map_err(map)?,
        threads: threads.try_into().map_err(map)?,
        open_threads: open_threads.try_into().map_err(map)?,
        processes: processes.try_into().map_err(map)?,
        stacks: stacks.try_into().map_err(map)?,
        counters: counters.try_into().map_err(map)?,
        modes: modes.try_into().map_err(map)?,
        reserve: Reserve::new(reserve),
        host,
    })
}

// The object with its maps, nothing attached.
pub(crate) fn programs(options: &Options, kept: Option<&Kept>) -> Result<(Ebpf, HostOffsets)> {
    let btf = std::fs::read("/sys/kernel/btf/vmlinux").map_err(|e| Error::Kernel {
        what: format!("/sys/kernel/btf/vmlinux: {e}"),
        remedy: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
    })?;
    let offsets = task_offsets(&btf).map_err(|e| Error::Kernel {
        what: format!("/sys/kernel/btf/vmlinux: {e}"),
        remedy: "report this kernel version; the recorder does not know its task_struct",
    })?;
    let host = host_offsets(&btf).unwrap_or_default();
    drop(btf);
    Ok((load_object(options, offsets, host, kept)?, host))
}

fn load_object(
    options: &Options,
    offsets: TaskOffsets,
    host: HostOffsets,
    kept: Option<&Kept>,
) -> Result<Ebpf> {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let buffer = cpus
        .saturating_mul(limits::EVENTS_BYTES_PER_CPU)
        .clamp(limits::EVENTS_BYTES_MIN, limits::EVENTS_BYTES_MAX)
        .next_power_of_two();
    // A map that is there already keeps its size.
    let room = |name, wanted| kept.and_then(|kept| kept.room(name)).unwrap_or(wanted);
    let buffer = room("EVENTS", lowered("INGERO_TEST_EVENTS_BYTES", buffer));
    let threads = room("THREADS", lowered("INGERO_TEST_THREADS", limits::THREADS));
    let generation = kept.map_or(1, Kept::generation);
    let wake = u64::from(buffer / 4);
    let (stacks, has_state) = (u32::from(options.kernel_stacks), u32::from(offsets.switch_has_state));
    let user_stacks = options.user_stacks as u32;
    let (pid_namespace, ids) = namespace(offsets.namespace)?.unwrap_or_default();
    let [flags, bytes, part, device] = host.request.unwrap_or_default();
    let [peer, peer_port, port, family] = host.sock.unwrap_or_default();
    let mut loader = EbpfLoader::new();
    if let Some(kept) = kept {
        kept.begin().map_err(|e| refused("a folder in the BPF file system", e))?;
        for name in MAPS {
            loader.map_pin_path(name, kept.map(name));
        }
    }
    loader
        .override_global("TASK_PID_OFFSET", &offsets.pid, true)
        .override_global("TASK_TGID_OFFSET", &offsets.tgid, true)
        .override_global("PID_NAMESPACE", &pid_namespace, true)
        .override_global("TASK_THREAD_PID_OFFSET", &ids.thread_pid, true)
        .override_global("TASK_LEADER_OFFSET", &ids.leader, true)
        .override_global("PID_LEVEL_OFFSET", &ids.level, true)
        .override_global("PID_NUMBERS_OFFSET", &ids.numbers, true)
        .override_global("NAMESPACE_INODE_OFFSET", &ids.inode, true)
        .override_global("TASK_COMM_OFFSET", &offsets.comm, true)
        .override_global("TASK_STATE_OFFSET", &offsets.state, true)
        .override_global("TASK_EXIT_CODE_OFFSET", &offsets.exit_code, true)
        .override_global("TASK_SIGNAL_OFFSET", &offsets.signal, true)
        .override_global("SIGNAL_LIVE_OFFSET", &offsets.signal_live, true)
        .override_global("SWITCH_HAS_STATE", &has_state, true)
        .override_global("GENERATION", &generation, true)
        .override_global("KERNEL_STACKS", &stacks, true)
        .override_global("STACK_GAP_NS", &limits::STACK_GAP_NS, true)
        .override_global("USER_STACKS", &user_stacks, true)
        .override_global("SLOW_NS", &limits::SLOW_NS, true)
        .override_global("USER_STACK_GAP_NS", &limits::USER_STACK_GAP_NS, true)
        .override_global("VICTIM_IS_TASK", &u32::from(host.victim_is_task), true)
        .override_global("REQUEST_FLAGS_OFFSET", &flags, true)
        .override_global("REQUEST_BYTES_OFFSET", &bytes, true)
        .override_global("REQUEST_PART_OFFSET", &part, true)
        .override_global("PART_DEVICE_OFFSET", &device, true)
        .override_global("SOCK_PEER_OFFSET", &peer, true)
        .override_global("SOCK_PEER_PORT_OFFSET", &peer_port, true)
        .override_global("SOCK_PORT_OFFSET", &port, true)
        .override_global("SOCK_FAMILY_OFFSET", &family, true)
        .override_global("TASK_CPU_OFFSET", &host.task_cpu.unwrap_or_default(), true)
        .override_global("WAKE_BYTES", &wake, true)
        .map_max_entries("EVENTS", buffer)
        .map_max_entries("THREADS", threads)
        .load(OBJECT)
        .map_err(|e| refused("the BPF object", e))
}

// A limit, or less if a test asks for it in the environment: full tables are then met in milliseconds.
fn lowered(name: &str, limit: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).map_or(limit, |less: u32| less.min(limit))
}

/// A handle of its own on the map `TERM`. The object keeps its one: programs that are loaded later need it, and nobody
/// else holds it for as long.
pub(crate) fn term(ebpf: &Ebpf) -> std::result::Result<Array<MapData, u64>, MapError> {
    second_handle(ebpf.map("TERM").ok_or(MapError::InvalidMapType { map_type: 0 })?)?.try_into()
}

fn second_handle(map: &Map) -> std::result::Result<Map, MapError> {
    let (Map::HashMap(data) | Map::Array(data)) = map else {
        return Err(MapError::InvalidMapType { map_type: 0 });
    };
    Map::from_map_data(MapData::from_id(data.info()?.id())?)
}
