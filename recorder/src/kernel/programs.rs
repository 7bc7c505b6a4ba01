//! The programs in the object, and what each is attached to.

use crate::config::SourceName;

/// A program for functions of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallProgram {
    /// Entry of a pair.
    Enter,
    /// Return of a pair.
    Return,
    /// Entry alone.
    Mark,
    /// Entry of `__cudaRegisterFunction`.
    Register,
    /// Entry of a runtime launch, for naming kernels.
    RuntimeLaunch,
}

impl CallProgram {
    /// All.
    pub const ALL: [Self; 5] = [Self::Enter, Self::Return, Self::Mark, Self::Register, Self::RuntimeLaunch];

    /// Its name in the object.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enter => "call_enter",
            Self::Return => "call_return",
            Self::Mark => "call_mark",
            Self::Register => "register_function",
            Self::RuntimeLaunch => "runtime_launch",
        }
    }
}

/// A raw tracepoint and its program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tracepoint {
    /// Name in the object.
    pub program: &'static str,
    /// Name in the kernel.
    pub tracepoint: &'static str,
    /// Attached if this source is configured.
    pub source: SourceName,
    /// Not every kernel has it, and nothing is missed where it is absent.
    pub optional: bool,
}

const fn tracepoint(program: &'static str, tracepoint: &'static str, source: SourceName) -> Tracepoint {
    Tracepoint { program, tracepoint, source, optional: false }
}

/// Every tracepoint. Those of [`SourceName::Process`] are always attached: without them threads that ended
/// would stay in the tables.
pub(super) const TRACEPOINTS: [Tracepoint; 18] = {
    use SourceName::{Block, Faults, Memory, Migrate, Process, Sched, Signal, Tcp};
    [
        tracepoint("sched_switch", "sched_switch", Sched),
        tracepoint("sched_waking", "sched_waking", Sched),
        tracepoint("process_fork", "sched_process_fork", Process),
        tracepoint("process_exec", "sched_process_exec", Process),
        tracepoint("process_exit", "sched_process_exit", Process),
        tracepoint("task_rename", "task_rename", Process),
        tracepoint("signal", "signal_generate", Signal),
        tracepoint("reclaim_begin", "mm_vmscan_direct_reclaim_begin", Memory),
        tracepoint("reclaim_end", "mm_vmscan_direct_reclaim_end", Memory),
        // Only in kernels with memory cgroups.
        Tracepoint {
            optional: true,
            ..tracepoint("memcg_reclaim_begin", "mm_vmscan_memcg_reclaim_begin", Memory)
        },
        Tracepoint {
            optional: true,
            ..tracepoint("memcg_reclaim_end", "mm_vmscan_memcg_reclaim_end", Memory)
        },
        tracepoint("page_alloc", "mm_page_alloc", Memory),
        tracepoint("oom_kill", "mark_victim", Memory),
        tracepoint("block_issue", "block_rq_issue", Block),
        tracepoint("block_complete", "block_rq_complete", Block),
        tracepoint("tcp_retransmit", "tcp_retransmit_skb", Tcp),
        tracepoint("page_fault", "page_fault_user", Faults),
        tracepoint("migrate", "sched_migrate_task", Migrate),
    ]
};
