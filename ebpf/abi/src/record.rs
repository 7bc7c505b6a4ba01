//! Records in the BPF ring buffer.

/// Bytes of a task name in the kernel (`TASK_COMM_LEN` in `include/linux/sched.h`).
pub const COMM_LEN: usize = 16;
/// Longest kernel-function name carried, with its closing zero; longer ones are cut. Names of templates are
/// long: of PyTorch's, one in twenty passes 512 bytes.
pub const TEXT_LEN: usize = 512;

/// Last word of every record: what follows the common [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RecordKind {
    /// An [`Event`] alone: a CUDA call, a process event, or a host event without a [`PeerRecord`].
    Plain = 1,
    /// An [`OffCpuRecord`].
    OffCpu = 2,
    /// A [`NameRecord`].
    Name = 3,
    /// A [`TextRecord`]: a handle and its name.
    Text = 4,
    /// A [`TextRecord`]: the address of a function on the host that stands for a kernel, and the kernel's name; or
    /// its [`Event`] alone, if the name could not be read: `arg1` is where it lies.
    HostFunction = 5,
    /// An [`Event`] alone that is not counted: a launch of handle `arg0` came from host function `arg1`.
    Launched = 6,
    /// A [`PeerRecord`].
    Peer = 7,
}

/// Bits of [`Event::flags`].
pub mod flags {
    /// The call or interval had not ended when it was recorded; its duration is "so far".
    pub const OPEN: u16 = 1;
    /// Off-CPU: the thread was preempted; it never stopped being runnable.
    pub const PREEMPTED: u16 = 2;
    /// Off-CPU: no kernel stack was taken, the thread's last one being too recent.
    pub const STACK_SKIPPED: u16 = 4;
    /// Off-CPU: a kernel stack was taken but could not be stored.
    pub const STACK_LOST: u16 = 8;
    /// Off-CPU: a waker was seen.
    pub const WOKEN: u16 = 16;
    /// The call ran inside another recorded call of the same thread.
    pub const NESTED: u16 = 32;
    /// Off-CPU: the thread came back on another CPU than it had left.
    pub const MIGRATED: u16 = 64;
    /// Only the call's entry was recorded.
    pub const ENTRY_ONLY: u16 = 128;
}

/// Numbers of process events, placed in [`Event::op`].
pub mod process_op {
    /// A process (not a thread) was created; `arg0` is the parent's pid.
    pub const FORK: u16 = 0x4001;
    /// A process replaced its program.
    pub const EXEC: u16 = 0x4002;
    /// A process ended; `arg0` is the kernel's exit code (status << 8 | signal).
    pub const EXIT: u16 = 0x4003;
}

/// Numbers of scheduler events, placed in [`Event::op`].
pub mod sched_op {
    /// An off-CPU interval.
    pub const OFF_CPU: u16 = 0x2001;
}

/// Numbers of host events, placed in [`Event::op`]; their values are said in `format::ops`.
pub mod host_op {
    /// A thread had to free memory first.
    pub const DIRECT_RECLAIM: u16 = 0x5001;
    /// Page allocations of a thread since its last such event.
    pub const PAGE_ALLOC: u16 = 0x5002;
    /// A process was chosen to die for want of memory.
    pub const OOM_KILL: u16 = 0x5003;
    /// A disk request.
    pub const BLOCK_IO: u16 = 0x5011;
    /// A signal that stops, continues or ends.
    pub const SIGNAL: u16 = 0x5021;
    /// A TCP segment was sent again.
    pub const TCP_RETRANSMIT: u16 = 0x5031;
    /// User page faults of a thread since its last such event.
    pub const PAGE_FAULTS: u16 = 0x5041;
    /// A thread was moved to another CPU.
    pub const MIGRATE: u16 = 0x5051;
}

/// One event, 64 bytes, little-endian. All times are CLOCK_BOOTTIME nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When the event ended.
    pub end_ns: u64,
    /// How long it lasted; it began at `end_ns - dur_ns`.
    pub dur_ns: u64,
    /// Process (thread group) id in the PID namespace of the recorder's `/proc`, as a rule the kernel's first.
    pub pid: u32,
    /// Thread id there.
    pub tid: u32,
    /// First value; its meaning depends on `op`. Off-CPU: run-queue delay in ns.
    pub arg0: u64,
    /// Second value. Off-CPU: waker tid << 32 | preemptor tid.
    pub arg1: u64,
    /// CPU << 48 | sequence number on that CPU for the op's source.
    pub origin: u64,
    /// Operation number, of `format::ops`.
    pub op: u16,
    /// See [`flags`].
    pub flags: u16,
    /// Return value of a call; task state of an off-CPU interval (bits of include/linux/sched.h).
    pub ret: i32,
    /// Place in the map `STACKS` (`bpf_get_stackid`) plus one, 0 is "none"; on disk an id that the drain gives.
    pub stack: u32,
    /// A [`RecordKind`] between kernel and drain, the row's CRC32C on disk.
    pub tail: u32,
}

/// A task as the scheduler names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TaskId {
    /// Process id.
    pub pid: u32,
    /// Thread id; 0 is "none" or the idle task.
    pub tid: u32,
    /// Name (`task_struct.comm`), zero-padded.
    pub comm: [u8; COMM_LEN],
}

/// An off-CPU interval with the two other tasks that shaped it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OffCpuRecord {
    /// The interval.
    pub event: Event,
    /// Who made the thread runnable again.
    pub waker: TaskId,
    /// Who had the CPU while the thread was runnable: the task switched to at preemption, or the
    /// one that ran just before the thread after a wake-up.
    pub preemptor: TaskId,
}

/// An event with another task that has to do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PeerRecord {
    /// The event.
    pub event: Event,
    /// The other: the sender of a signal.
    pub peer: TaskId,
}

/// A thread took a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NameRecord {
    /// When (`end_ns`) and which thread.
    pub event: Event,
    /// The new name (`task_struct.comm`), zero-padded.
    pub comm: [u8; COMM_LEN],
}

/// A handle got a readable name, e.g. a `CUfunction` from `cuModuleGetFunction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TextRecord {
    /// Which process, when, and the handle in `arg0`.
    pub event: Event,
    /// The name up to its closing zero; the record in the buffer ends there.
    pub text: [u8; TEXT_LEN],
}

/// Why the discovery should look at a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum NoticeKind {
    /// It called into a probed library and was not known.
    FirstCall = 1,
    /// It replaced its program.
    Exec = 2,
}

/// A hint for the discovery, in a small buffer of its own. Losing one only delays a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Notice {
    /// A [`NoticeKind`].
    pub kind: u32,
    /// Process id.
    pub pid: u32,
}

const _: () = assert!(size_of::<Event>() == 64);
const _: () = assert!(size_of::<OffCpuRecord>() == 112);
const _: () = assert!(size_of::<NameRecord>() == 80);
const _: () = assert!(size_of::<TextRecord>() == 64 + TEXT_LEN);
const _: () = assert!(size_of::<PeerRecord>() == 88);
const _: () = assert!(size_of::<Notice>() == 8);
