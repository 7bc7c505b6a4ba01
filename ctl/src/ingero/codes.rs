//! Numbers of sources and operations of such a database. Its own tables of names lack some of them.

use std::collections::BTreeMap;

use ingero_format::ops;

/// What a row becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A CUDA call, stamped at its start.
    Call(u16),
    /// An off-CPU interval, stamped at its end.
    Switch,
    /// An event of the host, stamped at its end.
    Host(u16),
}

/// The first of the numbers given to operations that have none of ours: driver, runtime, collectives, host.
const FIRST_FREE: [u16; 4] = [0x0780, 0x0f80, 0x1f80, 0x7000];

/// Operation numbers, and how the database spells those that are spelled differently here.
#[derive(Debug, Default)]
pub(super) struct Codes {
    given: BTreeMap<(i64, i64), u16>,
    used: [u16; 4],
    /// Names by number.
    pub spellings: BTreeMap<u16, String>,
    /// Pairs of source and operation that nobody knows.
    pub unknown: BTreeMap<(i64, i64), u64>,
}

impl Codes {
    /// What rows of a source and operation become.
    pub fn kind(&mut self, source: i64, op: i64) -> Kind {
        if (source, op) == (3, 1) {
            return Kind::Switch;
        }
        let Some((number, name)) = known(source, op) else {
            *self.unknown.entry((source, op)).or_insert(0) += 1;
            return self.unnamed(source, op, &format!("{source}/{op}"));
        };
        if number == 0 {
            return self.unnamed(source, op, name);
        }
        if ops::by_number(number).is_some_and(|o| o.name != name) {
            self.spellings.insert(number, name.to_owned());
        }
        place(source, number)
    }

    /// The number of a thread's end, which is no process's.
    pub fn thread_exit(&mut self) -> u16 {
        match self.unnamed(3, 1006, "exit") {
            Kind::Call(number) | Kind::Host(number) => number,
            Kind::Switch => ops::EXIT,
        }
    }

    fn unnamed(&mut self, source: i64, op: i64, name: &str) -> Kind {
        let group = match source {
            4 => 0,
            1 | 8 => 1,
            9 => 2,
            _ => 3,
        };
        let (first, used) = (FIRST_FREE.get(group), self.used.get_mut(group));
        let (Some(first), Some(used)) = (first, used) else { return Kind::Host(0x7fff) };
        let number = *self.given.entry((source, op)).or_insert_with(|| {
            let number = first + *used;
            // Past the room of a group, all share its last number.
            *used = (*used + 1).min(0x7f);
            number
        });
        self.spellings.entry(number).or_insert_with(|| name.to_owned());
        place(source, number)
    }
}

fn place(source: i64, number: u16) -> Kind {
    if matches!(source, 1 | 4 | 8 | 9) { Kind::Call(number) } else { Kind::Host(number) }
}

/// Our number (0: none) and the database's name.
fn known(source: i64, op: i64) -> Option<(u16, &'static str)> {
    let found = match (source, op) {
        (1, 1) => (ops::CUDA_MALLOC, "cudaMalloc"),
        (1, 2) => (ops::CUDA_FREE, "cudaFree"),
        (1, 3) => (ops::CUDA_LAUNCH_KERNEL, "cudaLaunchKernel"),
        (1, 4) => (ops::CUDA_MEMCPY, "cudaMemcpy"),
        (1, 5) => (ops::CUDA_STREAM_SYNCHRONIZE, "cudaStreamSync"),
        (1, 6) => (ops::CUDA_DEVICE_SYNCHRONIZE, "cudaDeviceSync"),
        (1, 7) => (ops::CUDA_MEMCPY_ASYNC, "cudaMemcpyAsync"),
        (1, 8) => (ops::CUDA_MALLOC_MANAGED, "cudaMallocManaged"),
        (1, 9) => (ops::CUDA_MEMCPY_2D, "cudaMemcpy2D"),
        (1, 10) => (ops::CUDA_MEMCPY_2D_ASYNC, "cudaMemcpy2DAsync"),
        (1, 11) => (ops::CUDA_MEMCPY_PEER, "cudaMemcpyPeer"),
        (1, 12) => (ops::CUDA_MEMCPY_PEER_ASYNC, "cudaMemcpyPeerAsync"),
        (4, 1) => (ops::CU_LAUNCH_KERNEL, "cuLaunchKernel"),
        (4, 2) => (ops::CU_MEMCPY, "cuMemcpy"),
        (4, 3) => (ops::CU_MEMCPY_ASYNC, "cuMemcpyAsync"),
        (4, 4) => (ops::CU_CTX_SYNCHRONIZE, "cuCtxSynchronize"),
        (4, 5) => (ops::CU_MEM_ALLOC, "cuMemAlloc"),
        (4, 6) => (ops::CU_MEM_ALLOC_MANAGED, "cuMemAllocManaged"),
        (3, 2) => (0, "sched_wakeup"),
        (3, 3) => (ops::PAGE_ALLOC, "mm_page_alloc"),
        (3, 4) => (ops::OOM_KILL, "oom_kill"),
        (3, 5) => (ops::EXEC, "exec"),
        (3, 6) => (ops::EXIT, "exit"),
        (3, 7) => (ops::FORK, "fork"),
        (3, 10) => (0, "pod_restart"),
        (3, 11) => (0, "pod_eviction"),
        (3, 12) => (0, "pod_oom_kill"),
        (3, 20) => (0, "page_alloc_summary"),
        (3, 21) => (0, "switch_summary"),
        (5, 1..=3) => (ops::BLOCK_IO, "block_io"),
        (6, 1) => (ops::TCP_RETRANSMIT, "tcp_retransmit"),
        (7, 1) => (0, "net_send"),
        (7, 2) => (0, "net_recv"),
        (8, 1) => (ops::CUDA_STREAM_BEGIN_CAPTURE, "cudaStreamBeginCapture"),
        (8, 2) => (ops::CUDA_STREAM_END_CAPTURE, "cudaStreamEndCapture"),
        (8, 3) => (ops::CUDA_GRAPH_INSTANTIATE, "cudaGraphInstantiate"),
        (8, 4) => (ops::CUDA_GRAPH_LAUNCH, "cudaGraphLaunch"),
        (9, 1) => (ops::NCCL_COMM_INIT_RANK, "ncclCommInitRank"),
        (9, 2) => (ops::NCCL_COMM_DESTROY, "ncclCommDestroy"),
        (9, 3) => (ops::NCCL_ALL_REDUCE, "ncclAllReduce"),
        (9, 4) => (ops::NCCL_ALL_GATHER, "ncclAllGather"),
        (9, 5) => (ops::NCCL_REDUCE_SCATTER, "ncclReduceScatter"),
        (9, 6) => (ops::NCCL_BCAST, "ncclBcast"),
        (9, 7) => (ops::NCCL_SEND, "ncclSend"),
        (9, 8) => (ops::NCCL_RECV, "ncclRecv"),
        (9, 9) => (ops::NCCL_COMM_INIT_ALL, "ncclCommInitAll"),
        _ => return None,
    };
    Some(found)
}

/// The kernel's kind of request (`REQ_OP_*`, include/linux/blk_types.h) of a block operation.
pub(super) fn request_kind(op: i64) -> u64 {
    match op {
        1 => 0,
        2 => 1,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_operations_get_numbers_of_their_own_and_are_counted() {
        let mut codes = Codes::default();
        let first = codes.kind(1, 99);
        assert_eq!(first, codes.kind(1, 99));
        assert_ne!(first, codes.kind(1, 98));
        assert!(matches!(codes.kind(42, 7), Kind::Host(0x7000)));
        assert_eq!(codes.unknown[&(1, 99)], 2);
        assert_eq!(codes.spellings[&0x7000], "42/7");
        (0..300).for_each(|op| {
            codes.kind(4, 1000 + op);
        });
        assert!(codes.spellings.keys().all(|n| ops::by_number(*n).is_none()));
    }

    #[test]
    fn names_spelled_differently_keep_the_databases_spelling() {
        let mut codes = Codes::default();
        assert_eq!(codes.kind(1, 5), Kind::Call(ops::CUDA_STREAM_SYNCHRONIZE));
        assert_eq!(codes.spellings[&ops::CUDA_STREAM_SYNCHRONIZE], "cudaStreamSync");
        codes.kind(1, 3);
        assert!(!codes.spellings.contains_key(&ops::CUDA_LAUNCH_KERNEL));
    }
}
