//! The kernel side and the format write the same numbers twice, because one is `no_std` without dependencies
//! and the other is bytes without a kernel. Here they must agree.

use ingero_ebpf_abi::{self as abi, Event, RecordKind};
use ingero_format::{Row, ops, row};

#[test]
fn a_record_of_the_kernel_side_is_a_row_but_for_its_last_word() {
    let event = Event {
        end_ns: 1,
        dur_ns: 2,
        pid: 3,
        tid: 4,
        arg0: 5,
        arg1: 6,
        origin: row::origin(7, 8),
        op: 9,
        flags: 10,
        ret: -11,
        stack: 12,
        tail: RecordKind::Plain as u32,
    };
    // SAFETY: 64 bytes of integers without padding (asserted where the struct is defined).
    let bytes = unsafe { std::mem::transmute::<Event, [u8; 64]>(event) };
    let expected = Row {
        end_ns: 1,
        dur_ns: 2,
        pid: 3,
        tid: 4,
        arg0: 5,
        arg1: 6,
        origin: 7 << 48 | 8,
        op: 9,
        flags: 10,
        ret: -11,
        stack: 12,
    };
    assert_eq!(Row::from_bytes(&bytes), expected);
}

#[test]
fn flags_sources_and_operations_have_one_number_on_both_sides() {
    assert_eq!(
        [abi::flags::OPEN, abi::flags::PREEMPTED, abi::flags::STACK_SKIPPED, abi::flags::STACK_LOST],
        [row::flags::OPEN, row::flags::PREEMPTED, row::flags::STACK_SKIPPED, row::flags::STACK_LOST]
    );
    assert_eq!(
        [abi::flags::WOKEN, abi::flags::NESTED, abi::flags::MIGRATED, abi::flags::ENTRY_ONLY],
        [row::flags::WOKEN, row::flags::NESTED, row::flags::MIGRATED, row::flags::ENTRY_ONLY]
    );
    let (theirs, ours) = (abi::process_op::FORK, ops::FORK);
    assert_eq!([theirs, abi::process_op::EXEC, abi::process_op::EXIT], [ours, ops::EXEC, ops::EXIT]);
    assert_eq!(abi::sched_op::OFF_CPU, ops::OFF_CPU);
    let host = [
        (abi::host_op::DIRECT_RECLAIM, ops::DIRECT_RECLAIM),
        (abi::host_op::PAGE_ALLOC, ops::PAGE_ALLOC),
        (abi::host_op::OOM_KILL, ops::OOM_KILL),
        (abi::host_op::BLOCK_IO, ops::BLOCK_IO),
        (abi::host_op::SIGNAL, ops::SIGNAL),
        (abi::host_op::TCP_RETRANSMIT, ops::TCP_RETRANSMIT),
        (abi::host_op::PAGE_FAULTS, ops::PAGE_FAULTS),
        (abi::host_op::MIGRATE, ops::MIGRATE),
    ];
    assert!(host.iter().all(|(theirs, ours)| theirs == ours));
    // An operation that only one side knows is one that nobody emits, or nobody can name.
    let named = ops::OPS.iter().filter(|op| ops::source(op.number) == ops::Source::Host);
    assert!(named.map(|op| op.number).eq(host.iter().map(|(_, ours)| *ours)));
    let pairs = [
        (abi::Source::Cuda as u8, ops::Source::Cuda),
        (abi::Source::Sched as u8, ops::Source::Sched),
        (abi::Source::Process as u8, ops::Source::Process),
        (abi::Source::Meta as u8, ops::Source::Meta),
        (abi::Source::Host as u8, ops::Source::Host),
    ];
    assert!(pairs.iter().all(|(number, source)| *number == *source as u8));
    assert_eq!(abi::SOURCES, ops::Source::ALL.len());
}
