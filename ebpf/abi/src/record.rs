//! Records in the BPF ring buffer.

/// Bytes of a task name in the kernel (`TASK_COMM_LEN` in `include/linux/sched.h`).
pub const COMM_LEN: usize = 16;
/// Longest kernel-function name carried whole; longer ones are cut.
pub const TEXT_LEN: usize = 128;

/// Last word of every record: what follows the common [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RecordKind {
    /// An [`Event`] alone: a CUDA call or a process event.
    Plain = 1,
    /// An [`OffCpuRecord`].
    OffCpu = 2,
    /// A [`NameRecord`].
    Name = 3,
    /// A [`TextRecord`].
    Text = 4,
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
}

/// Numbers of process events, placed in [`Event::op`].
pub mod process_op {
    /// A process (not a thread) was created; `arg0` is the parent's pid.
    pub const FORK: u16 = 0x4001;
    /// A process replaced its program.
    pub const EXEC: u16 = 0x4002;
    /// A process ended; `arg0` is the kernel's exit code (status << 8 | signal).
    pub const EXIT: u16 = 0x4003;
    /// An off-CPU interval.
    pub const OFF_CPU: u16 = 0x2001;
}

/// One event, 64 bytes, little-endian. All times are CLOCK_BOOTTIME nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When the event ended.
    pub end_ns: u64,
    /// How long it lasted; it began at `end_ns - dur_ns`.
    pub dur_ns: u64,
    /// Process (thread group) id in the initial pid namespace.
    pub pid: u32,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// First value; its meaning depends on `op`. Off-CPU: run-queue delay in ns.
    pub arg0: u64,
    /// Second value. Off-CPU: waker tid << 32 | preemptor tid.
    pub arg1: u64,
    /// CPU << 48 | sequence number on that CPU for the op's source.
    pub origin: u64,
    /// Operation number.
    pub op: u16,
    /// See [`flags`].
    pub flags: u16,
    /// Return value of a call; task state of an off-CPU interval.
    pub ret: i32,
    /// Kernel or user stack id; 0 is "none".
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
    /// Name, zero-padded.
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

/// A thread took a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct NameRecord {
    /// When (`end_ns`) and which thread.
    pub event: Event,
    /// The new name.
    pub comm: [u8; COMM_LEN],
}

/// A handle got a readable name, e.g. a `CUfunction` from `cuModuleGetFunction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TextRecord {
    /// Which process, when, and the handle in `arg0`.
    pub event: Event,
    /// The name, zero-padded, cut at [`TEXT_LEN`] - 1 bytes.
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
const _: () = assert!(size_of::<TextRecord>() == 192);
const _: () = assert!(size_of::<Notice>() == 8);
