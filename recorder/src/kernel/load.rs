//! Loading the committed BPF object and attaching its tracepoint programs.

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{HashMap, Map, MapData, MapError, PerCpuArray, RingBuf, StackTraceMap},
    programs::{RawTracePoint, UProbe},
};
use ingero_ebpf_abi::{CpuCounters, ThreadState};

use super::{MultiPrograms, TaskOffsets, task_offsets};
use crate::{Error, Result, limits};

pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../../ebpf/prebuilt/ingero-probes.bpf.o");

/// Tracepoint programs: program name and raw tracepoint.
const TRACEPOINTS: [(&str, &str); 6] = [
    ("sched_switch", "sched_switch"),
    ("sched_waking", "sched_waking"),
    ("process_fork", "sched_process_fork"),
    ("process_exec", "sched_process_exec"),
    ("process_exit", "sched_process_exit"),
    ("task_rename", "task_rename"),
];

/// What the caller decides.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Take kernel stacks of blocked threads.
    pub kernel_stacks: bool,
    /// Record off-CPU intervals.
    pub sched: bool,
}

/// The loaded programs with each map in the hands of its one user.
pub struct Loaded {
    /// Keeps programs and links alive.
    pub ebpf: Ebpf,
    /// Call programs that take a whole library at once; `None` before kernel 6.6.
    pub multi: Option<MultiPrograms>,
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
}

fn refused(what: &str, e: impl std::fmt::Display) -> Error {
    Error::Kernel {
        what: format!("the kernel refused {what}: {e}"),
        remedy: "run `ingeroctl check` to see what this host lacks",
    }
}

/// Loads the object, attaches the tracepoints and loads the uprobe programs (not yet attached).
///
/// # Errors
/// [`Error::Kernel`] naming what the kernel lacks or refused.
pub fn load(options: Options) -> Result<Loaded> {
    let btf = std::fs::read("/sys/kernel/btf/vmlinux").map_err(|e| Error::Kernel {
        what: format!("/sys/kernel/btf/vmlinux: {e}"),
        remedy: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
    })?;
    let offsets = task_offsets(&btf).map_err(|e| Error::Kernel {
        what: format!("/sys/kernel/btf/vmlinux: {e}"),
        remedy: "report this kernel version; the recorder does not know its task_struct",
    })?;
    drop(btf);
    let mut ebpf = load_object(options, offsets)?;
    for (program, tracepoint) in TRACEPOINTS {
        let scheduling = program.starts_with("sched_");
        // Process life is always followed: without it threads that ended would stay in the tables.
        if options.sched || !scheduling {
            attach_tracepoint(&mut ebpf, program, tracepoint)?;
        }
    }
    let multi = MultiPrograms::load(&ebpf).ok();
    if multi.is_none() {
        for name in ["call_enter", "call_return"] {
            uprobe(&mut ebpf, name)?.load().map_err(|e| refused(&format!("the program {name}"), e))?;
        }
    }
    let mut take = |name: &'static str| {
        ebpf.take_map(name).ok_or_else(|| Error::Other(format!("the BPF object has no map {name}")))
    };
    let (events, notices, threads) = (take("EVENTS")?, take("NOTICES")?, take("THREADS")?);
    let (processes, stacks, counters) = (take("PROCESSES")?, take("STACKS")?, take("COUNTERS")?);
    let open_threads = second_handle(&threads).map_err(|e| refused("a second handle on a map", e))?;
    let map = |e: MapError| refused("a map", e);
    Ok(Loaded {
        ebpf,
        multi,
        events: events.try_into().map_err(map)?,
        notices: notices.try_into().map_err(map)?,
        threads: threads.try_into().map_err(map)?,
        open_threads: open_threads.try_into().map_err(map)?,
        processes: processes.try_into().map_err(map)?,
        stacks: stacks.try_into().map_err(map)?,
        counters: counters.try_into().map_err(map)?,
    })
}

fn load_object(options: Options, offsets: TaskOffsets) -> Result<Ebpf> {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let buffer = cpus
        .saturating_mul(limits::EVENTS_BYTES_PER_CPU)
        .clamp(limits::EVENTS_BYTES_MIN, limits::EVENTS_BYTES_MAX)
        .next_power_of_two();
    let (self_pid, wake) = (std::process::id(), u64::from(buffer / 4));
    let (stacks, has_state) = (u32::from(options.kernel_stacks), u32::from(offsets.switch_has_state));
    EbpfLoader::new()
        .override_global("TASK_PID_OFFSET", &offsets.pid, true)
        .override_global("TASK_TGID_OFFSET", &offsets.tgid, true)
        .override_global("TASK_COMM_OFFSET", &offsets.comm, true)
        .override_global("TASK_STATE_OFFSET", &offsets.state, true)
        .override_global("TASK_EXIT_CODE_OFFSET", &offsets.exit_code, true)
        .override_global("TASK_SIGNAL_OFFSET", &offsets.signal, true)
        .override_global("SIGNAL_LIVE_OFFSET", &offsets.signal_live, true)
        .override_global("SWITCH_HAS_STATE", &has_state, true)
        .override_global("SELF_PID", &self_pid, true)
        .override_global("KERNEL_STACKS", &stacks, true)
        .override_global("STACK_GAP_NS", &limits::STACK_GAP_NS, true)
        .override_global("WAKE_BYTES", &wake, true)
        .map_max_entries("EVENTS", buffer)
        .load(OBJECT)
        .map_err(|e| refused("the BPF object", e))
}

fn second_handle(map: &Map) -> std::result::Result<Map, MapError> {
    let Map::HashMap(data) = map else { return Err(MapError::InvalidMapType { map_type: 0 }) };
    Map::from_map_data(MapData::from_id(data.info()?.id())?)
}

fn attach_tracepoint(ebpf: &mut Ebpf, program: &str, tracepoint: &str) -> Result<()> {
    let what = format!("the raw tracepoint {tracepoint}");
    let found: &mut RawTracePoint = ebpf
        .program_mut(program)
        .ok_or_else(|| Error::Other(format!("the BPF object has no program {program}")))?
        .try_into()
        .map_err(|e| refused(&what, e))?;
    found.load().map_err(|e| refused(&what, e))?;
    found.attach(tracepoint).map_err(|e| refused(&what, e))?;
    Ok(())
}

/// One of the two uprobe programs.
///
/// # Errors
/// If the object lacks it.
pub fn uprobe<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut UProbe> {
    ebpf.program_mut(name)
        .and_then(|p| p.try_into().ok())
        .ok_or_else(|| Error::Other(format!("the BPF object has no uprobe program {name}")))
}
