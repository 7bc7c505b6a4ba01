//! Loading the committed BPF object and attaching its tracepoint programs.

use aya::{
    Ebpf, EbpfLoader, include_bytes_aligned,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf, StackTraceMap},
    programs::RawTracePoint,
};
use ingero_ebpf_abi::{CpuCounters, ThreadState};

use super::{
    HostOffsets, MultiPrograms, Placer, TaskOffsets, host_offsets, programs::TRACEPOINTS, task_offsets,
};
use crate::{
    Error, Result,
    attach::safety,
    budget::{Costs, calibrate},
    config::{SourceName, UserStacks},
    limits,
};

pub(super) static OBJECT: &[u8] = include_bytes_aligned!("../../../ebpf/prebuilt/ingero-probes.bpf.o");

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
    /// What probes cost on this host.
    pub costs: Costs,
    /// Whether return probes were shown to be safe here, and why not.
    pub returns: std::result::Result<(), String>,
    /// What was asked for and this kernel does not offer, in words.
    pub missing: Vec<String>,
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
    let (mut ebpf, host) = programs(&options)?;
    let multi = MultiPrograms::load(&ebpf).ok();
    let modes = ebpf.take_map("MODES");
    let mut modes: Array<MapData, u32> =
        modes.ok_or_else(no_map("MODES"))?.try_into().map_err(|e| refused("a map", e))?;
    let threads = ebpf.take_map("THREADS").ok_or_else(no_map("THREADS"))?;
    let open_threads = second_handle(&threads).map_err(|e| refused("a second handle on a map", e))?;
    let mut threads = threads.try_into().map_err(|e| refused("a map", e))?;
    let mut placer = Placer::new(ebpf, multi);
    // Before the tracepoints, so that the measuring process leaves no trace.
    let costs = calibrate(&mut placer, &mut modes, &mut threads);
    let returns = safety::test(&mut placer, &mut threads);
    let missing = attach_tracepoints(placer.ebpf(), &options, host)?;
    let mut take = |name: &'static str| placer.ebpf().take_map(name).ok_or_else(no_map(name));
    let (events, notices) = (take("EVENTS")?, take("NOTICES")?);
    let (processes, stacks, counters) = (take("PROCESSES")?, take("STACKS")?, take("COUNTERS")?);
    let map = |e: MapError| refused("a map", e);
    Ok(Loaded {
        placer,
        events: events.try_into().map_err(map)?,
        notices: notices.try_into().map_err(map)?,
        threads,
        open_threads: open_threads.try_into().map_err(map)?,
        processes: processes.try_into().map_err(map)?,
        stacks: stacks.try_into().map_err(map)?,
        counters: counters.try_into().map_err(map)?,
        modes,
        costs,
        returns,
        missing,
    })
}

/// Whether return probes are safe on this host; loads the programs for it and gives them up again.
///
/// # Errors
/// Why not, in words.
pub fn test_returns() -> std::result::Result<(), String> {
    let options = Options { sources: Vec::new(), kernel_stacks: false, user_stacks: UserStacks::Never };
    let (mut ebpf, _) = programs(&options).map_err(|e| e.to_string())?;
    let multi = MultiPrograms::load(&ebpf).ok();
    let threads = ebpf.take_map("THREADS").ok_or("the BPF object has no map THREADS")?;
    let mut threads = threads.try_into().map_err(|e: MapError| e.to_string())?;
    safety::test(&mut Placer::new(ebpf, multi), &mut threads)
}

// The object with its maps, nothing attached.
fn programs(options: &Options) -> Result<(Ebpf, HostOffsets)> {
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
    Ok((load_object(options, offsets, host)?, host))
}

fn no_map(name: &'static str) -> impl FnOnce() -> Error {
    move || Error::Other(format!("the BPF object has no map {name}"))
}

fn load_object(options: &Options, offsets: TaskOffsets, host: HostOffsets) -> Result<Ebpf> {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let buffer = cpus
        .saturating_mul(limits::EVENTS_BYTES_PER_CPU)
        .clamp(limits::EVENTS_BYTES_MIN, limits::EVENTS_BYTES_MAX)
        .next_power_of_two();
    let buffer = lowered("INGERO_TEST_EVENTS_BYTES", buffer);
    let (self_pid, wake) = (std::process::id(), u64::from(buffer / 4));
    let (stacks, has_state) = (u32::from(options.kernel_stacks), u32::from(offsets.switch_has_state));
    let user_stacks = options.user_stacks as u32;
    let [flags, bytes, part, device] = host.request.unwrap_or_default();
    let [peer, peer_port, port, family] = host.sock.unwrap_or_default();
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
        .override_global("WAKE_BYTES", &wake, true)
        .map_max_entries("EVENTS", buffer)
        .map_max_entries("THREADS", lowered("INGERO_TEST_THREADS", limits::THREADS))
        .load(OBJECT)
        .map_err(|e| refused("the BPF object", e))
}

// A limit, or less if a test asks for it in the environment: full tables are then met in milliseconds.
fn lowered(name: &str, limit: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).map_or(limit, |less: u32| less.min(limit))
}

fn second_handle(map: &Map) -> std::result::Result<Map, MapError> {
    let Map::HashMap(data) = map else { return Err(MapError::InvalidMapType { map_type: 0 }) };
    Map::from_map_data(MapData::from_id(data.info()?.id())?)
}

// A source that this kernel cannot give is missing by name; only process life is needed to go on.
fn attach_tracepoints(ebpf: &mut Ebpf, options: &Options, host: HostOffsets) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for wanted in TRACEPOINTS {
        let always = wanted.source == SourceName::Process;
        if !always && !options.sources.contains(&wanted.source) {
            continue;
        }
        let fields = match wanted.source {
            SourceName::Block => host.request.is_some(),
            SourceName::Tcp => host.sock.is_some(),
            _ => true,
        };
        let attached = if fields {
            attach_tracepoint(ebpf, wanted.program, wanted.tracepoint)
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
