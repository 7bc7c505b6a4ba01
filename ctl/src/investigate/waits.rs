//! What a thread waited for, told by the kernel stack at switch-out.

use std::collections::HashSet;

use foldhash::{HashMap, HashMapExt};
use ingero_format::row::flags;

use crate::limits;
use crate::model::{OffCpu, Stack, Thread, Threads, Trace};

/// Kinds of wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// futex, mutex, rwsem.
    Lock,
    /// Storage.
    Io,
    /// Memory: reclaim, swap-in, a group's limit.
    Memory,
    /// A timer of its own choosing.
    Sleep,
    /// Something another task or machine produces: pipe, socket, epoll, a child's end.
    Product,
    /// SIGSTOP or a debugger.
    Stopped,
    /// No stack, or none that says.
    Unknown,
}

/// Symbols that decide; the innermost frame that matches any wins. A trailing `*` takes any ending.
const DECIDING: &[(&str, Wait)] = &[
    ("futex_*", Wait::Lock),
    ("__futex_*", Wait::Lock),
    ("do_futex", Wait::Lock),
    ("__mutex_lock*", Wait::Lock),
    ("mutex_lock*", Wait::Lock),
    ("__rt_mutex_*", Wait::Lock),
    ("rt_mutex_*", Wait::Lock),
    ("rwsem_*", Wait::Lock),
    ("__down_*", Wait::Lock),
    ("down_read*", Wait::Lock),
    ("down_write*", Wait::Lock),
    ("io_schedule*", Wait::Io),
    ("folio_wait*", Wait::Io),
    ("__folio_lock*", Wait::Io),
    ("wait_on_page*", Wait::Io),
    ("__wait_on_buffer", Wait::Io),
    ("filemap_*", Wait::Io),
    ("blk_*", Wait::Io),
    ("submit_bio_wait", Wait::Io),
    ("blkdev_*", Wait::Io),
    ("jbd2_*", Wait::Io),
    ("ext4_*", Wait::Io),
    ("xfs_*", Wait::Io),
    ("btrfs_*", Wait::Io),
    ("nfs_*", Wait::Io),
    ("fuse_*", Wait::Io),
    ("__fuse_*", Wait::Io),
    ("request_wait_answer", Wait::Io),
    ("vfs_fsync*", Wait::Io),
    ("do_fsync", Wait::Io),
    ("iomap_dio*", Wait::Io),
    ("do_nanosleep", Wait::Sleep),
    ("hrtimer_nanosleep", Wait::Sleep),
    ("common_nsleep*", Wait::Sleep),
    ("msleep*", Wait::Sleep),
    ("ep_poll", Wait::Product),
    ("do_epoll_*", Wait::Product),
    ("do_poll*", Wait::Product),
    ("do_sys_poll", Wait::Product),
    ("poll_schedule_timeout*", Wait::Product),
    ("do_select", Wait::Product),
    ("pipe_*", Wait::Product),
    ("anon_pipe_*", Wait::Product),
    ("eventfd_*", Wait::Product),
    ("unix_stream_*", Wait::Product),
    ("sock_recvmsg*", Wait::Product),
    ("tcp_recvmsg*", Wait::Product),
    ("sk_wait_data", Wait::Product),
    ("__skb_wait_for*", Wait::Product),
    ("inet_csk_accept", Wait::Product),
    ("do_wait", Wait::Product),
    ("kernel_wait4", Wait::Product),
    ("do_sigtimedwait*", Wait::Product),
    ("do_signal_stop", Wait::Stopped),
    ("ptrace_stop", Wait::Stopped),
];

/// Symbols of memory shortage; any frame decides, since what they wait in is storage or a lock.
const MEMORY: &[&str] = &[
    "do_swap_page",
    "swap_read*",
    "swapin_*",
    "try_to_free_*",
    "shrink_*",
    "do_try_to_free_pages",
    "mem_cgroup_handle_over_high",
    "mem_cgroup_oom*",
    "mem_cgroup_out_of_memory",
    "__alloc_pages_direct_*",
    "compact_zone*",
    "try_to_compact_pages",
    "throttle_direct_reclaim",
    "reclaim_throttle",
];

const STOPPED_BITS: i32 = 0x4 | 0x8;

/// Kinds of wait of a trace's intervals.
#[derive(Debug)]
pub(super) struct Waits {
    /// By stack.
    by_stack: Vec<Wait>,
    /// By task and begin: of intervals whose stack was left out because the thread's last one was too recent.
    guessed: HashMap<(u32, i64), Wait>,
}

impl Waits {
    pub fn of(trace: &Trace, threads: &Threads, recorded: &HashSet<u32>) -> Self {
        let by_stack = trace.stacks.iter().map(of_stack).collect();
        let mut waits = Self { by_stack, guessed: HashMap::new() };
        for thread in threads.iter() {
            waits.guess(trace, thread, recorded);
            trace.release(thread);
        }
        waits
    }

    /// A wait whose stack was left out is of the kind of the last one before and the first one after it whose
    /// stacks were not, if these are of one kind and near, and it is not much longer than they. Else a waker of the
    /// same process says that it was for a lock, one of another recorded process that it was for its product.
    fn guess(&mut self, trace: &Trace, thread: &Thread, recorded: &HashSet<u32>) {
        let mut before: Option<(&OffCpu, Wait)> = None;
        let mut open: Vec<&OffCpu> = Vec::new();
        for off in thread.off_cpu.iter().filter(|o| !o.preempted()) {
            if off.flags & flags::STACK_SKIPPED != 0 {
                open.push(off);
                continue;
            }
            let wait = self.kind(off);
            let known = before.filter(|(known, kind)| {
                *kind == wait && off.ts_ns - known.end_ns() < limits::GUESS_WITHIN_NS
            });
            let longest = known.map_or(0, |(known, _)| known.dur_ns.max(off.dur_ns));
            for skipped in open.drain(..) {
                let like = skipped.dur_ns <= longest.saturating_mul(limits::GUESS_LENGTH_FACTOR);
                let guess = if like { wait } else { by_waker(trace, thread, skipped, recorded) };
                self.guessed.insert((skipped.task, skipped.ts_ns), guess);
            }
            before = Some((off, wait));
        }
        for skipped in open {
            let guess = by_waker(trace, thread, skipped, recorded);
            self.guessed.insert((skipped.task, skipped.ts_ns), guess);
        }
    }

    /// What an interval's blocked part waited for.
    pub fn kind(&self, off: &OffCpu) -> Wait {
        if off.state & STOPPED_BITS != 0 {
            return Wait::Stopped;
        }
        let guessed = || self.guessed.get(&(off.task, off.ts_ns)).copied();
        self.by_stack.get(off.stack as usize).copied().or_else(guessed).unwrap_or(Wait::Unknown)
    }
}

fn by_waker(trace: &Trace, thread: &Thread, off: &OffCpu, recorded: &HashSet<u32>) -> Wait {
    match trace.task(off.waker).map(|waker| waker.pid) {
        Some(pid) if pid == thread.pid => Wait::Lock,
        Some(pid) if pid != 0 && recorded.contains(&pid) => Wait::Product,
        _ => Wait::Unknown,
    }
}

fn of_stack(stack: &Stack) -> Wait {
    let mut symbols = stack.frames.iter().filter_map(|f| f.symbol.as_deref());
    if symbols.clone().any(|symbol| MEMORY.iter().any(|pattern| matches(pattern, symbol))) {
        return Wait::Memory;
    }
    symbols.find_map(deciding).unwrap_or(Wait::Unknown)
}

/// What a kernel stack waits for, in a word: `lock`, `storage`, `memory`, `sleep`, `product`, `stopped` or `unknown`.
#[must_use]
pub fn waits_for(stack: &Stack) -> &'static str {
    match of_stack(stack) {
        Wait::Lock => "lock",
        Wait::Io => "storage",
        Wait::Memory => "memory",
        Wait::Sleep => "sleep",
        Wait::Product => "product",
        Wait::Stopped => "stopped",
        Wait::Unknown => "unknown",
    }
}

fn matches(pattern: &str, symbol: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => symbol.starts_with(prefix),
        None => symbol == pattern,
    }
}

fn deciding(symbol: &str) -> Option<Wait> {
    DECIDING.iter().find(|(pattern, _)| matches(pattern, symbol)).map(|(_, wait)| *wait)
}

/// The innermost frames that say what was waited for, for people: `futex_wait_queue<-futex_wait`.
pub(super) fn describe(stack: &Stack) -> String {
    let symbols = stack.frames.iter().filter_map(|f| f.symbol.as_deref());
    let telling =
        symbols.filter(|s| !s.starts_with("__schedule") && *s != "schedule" && !s.starts_with("__traceiter"));
    telling.take(3).collect::<Vec<_>>().join("<-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Frame;

    fn stack(symbols: &[&str]) -> Stack {
        let frame = |s: &&str| Frame { symbol: Some((*s).to_owned()), ..Frame::default() };
        Stack { kind: "kernel".into(), frames: symbols.iter().map(frame).collect() }
    }

    #[test]
    fn without_a_stack_the_waker_tells_a_lock_from_a_product_if_it_is_recorded() {
        let task = |pid| crate::model::Task { pid, tid: pid, comm: String::new() };
        let trace = Trace { tasks: vec![task(100), task(700), task(800), task(0)], ..Trace::default() };
        let thread = Thread { pid: 100, tid: 101, ..Thread::default() };
        let by = |waker: u32| {
            let off = OffCpu { waker, ..OffCpu::default() };
            by_waker(&trace, &thread, &off, &[100, 700, 0].into_iter().collect())
        };
        let told = [by(0), by(1), by(2), by(3), by(crate::model::NONE)];
        assert_eq!(told, [Wait::Lock, Wait::Product, Wait::Unknown, Wait::Unknown, Wait::Unknown]);
    }

    #[test]
    fn the_innermost_telling_frame_decides() {
        let cases: [(&[&str], Wait); 9] = [
            (&["schedule", "io_schedule", "folio_wait_bit_common", "do_swap_page"], Wait::Memory),
            (&["schedule", "schedule_timeout", "reclaim_throttle", "shrink_node"], Wait::Memory),
            (&["__schedule", "schedule", "futex_do_wait", "__futex_wait", "do_futex"], Wait::Lock),
            (&["__schedule", "io_schedule", "folio_wait_bit_common", "filemap_read"], Wait::Io),
            (&["schedule", "do_nanosleep", "hrtimer_nanosleep"], Wait::Sleep),
            (&["schedule", "schedule_hrtimeout_range", "ep_poll", "do_epoll_wait"], Wait::Product),
            (&["schedule", "rwsem_down_read_slowpath", "ext4_file_read_iter"], Wait::Lock),
            (&["schedule", "anon_pipe_read", "vfs_read"], Wait::Product),
            (&["schedule", "nvidia_ioctl"], Wait::Unknown),
        ];
        for (symbols, wait) in cases {
            assert_eq!(of_stack(&stack(symbols)), wait, "{symbols:?}");
        }
    }
}
