//! Calls and off-CPU intervals that have not ended: a hang must be visible.

use aya::maps::{HashMap, MapData};
use ingero_ebpf_abi::{Cookie, ThreadState};
use ingero_format::{
    Row, ops,
    row::{META_CPU, flags, origin},
};

/// Reads them from the kernel's thread table, as of `now_ns`.
pub(super) fn open_rows(threads: &HashMap<MapData, u32, ThreadState>, now_ns: u64) -> Vec<Row> {
    let mut rows: Vec<Row> = threads
        .iter()
        .filter_map(Result::ok)
        .flat_map(|(tid, state)| calls(tid, &state, now_ns).into_iter().chain(interval(tid, &state, now_ns)))
        .collect();
    rows.sort_unstable_by_key(|r| (r.tid, r.start_ns()));
    for (i, row) in rows.iter_mut().enumerate() {
        row.origin = origin(META_CPU, i as u64);
    }
    rows
}

fn calls(tid: u32, state: &ThreadState, now_ns: u64) -> Vec<Row> {
    let open = state.calls.iter().take(state.depth as usize).filter(|call| call.start_ns < now_ns);
    open.map(|call| Row {
        end_ns: now_ns,
        dur_ns: now_ns - call.start_ns,
        pid: state.pid,
        tid,
        arg0: call.arg0,
        arg1: call.arg1,
        op: Cookie(call.cookie).op(),
        flags: flags::OPEN,
        ..Row::default()
    })
    .collect()
}

fn interval(tid: u32, state: &ThreadState, now_ns: u64) -> Option<Row> {
    let off = (1..now_ns).contains(&state.out_ns);
    let runqueue_ns = if state.flags as u16 & flags::PREEMPTED != 0 {
        now_ns.saturating_sub(state.out_ns)
    } else if state.wake_ns > 0 {
        now_ns.saturating_sub(state.wake_ns.max(state.out_ns))
    } else {
        0
    };
    off.then(|| Row {
        end_ns: now_ns,
        dur_ns: now_ns - state.out_ns,
        pid: state.pid,
        tid,
        arg0: runqueue_ns,
        arg1: u64::from(state.waker.tid) << 32 | u64::from(state.preemptor.tid),
        op: ops::OFF_CPU,
        flags: state.flags as u16 | flags::OPEN,
        ret: state.state.cast_signed(),
        stack: state.stack,
        ..Row::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hangs_in_a_call_gives_the_call_and_its_interval() {
        let mut state = ThreadState { pid: 9, depth: 1, out_ns: 200, wake_ns: 250, ..ThreadState::default() };
        state.calls[0].start_ns = 100;
        state.calls[0].cookie = u64::from(ops::CU_CTX_SYNCHRONIZE);
        let call = calls(7, &state, 300);
        assert_eq!((call[0].dur_ns, call[0].op, call[0].flags), (200, ops::CU_CTX_SYNCHRONIZE, flags::OPEN));
        let off = interval(7, &state, 300).unwrap();
        assert_eq!((off.dur_ns, off.arg0), (100, 50));
        state.out_ns = 0;
        assert_eq!(interval(7, &state, 300), None);
    }
}
