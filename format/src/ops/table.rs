//! The table itself.

use super::{Group, Op};

macro_rules! ops {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal, $group:ident;)*) => {
        $($(#[$doc])* pub const $constant: u16 = $number;)*
        /// Every operation, by rising number.
        pub const OPS: &[Op] = &[$(Op { number: $number, name: $name, group: Group::$group }),*];
    };
}

ops! {
    /// arg0 function, arg1 stream.
    CU_LAUNCH_KERNEL = 0x0100, "cuLaunchKernel", Launch;
    /// arg0 function, arg1 stream.
    CU_LAUNCH_KERNEL_EX = 0x0101, "cuLaunchKernelEx", Launch;
    /// arg0 function, arg1 stream.
    CU_LAUNCH_COOPERATIVE_KERNEL = 0x0102, "cuLaunchCooperativeKernel", Launch;
    /// arg0 address of the list of launch parameters, arg1 number of devices.
    CU_LAUNCH_COOPERATIVE_KERNEL_MULTI_DEVICE = 0x0103, "cuLaunchCooperativeKernelMultiDevice", Launch;
    /// arg0 host function, arg1 stream.
    CU_LAUNCH_HOST_FUNC = 0x0104, "cuLaunchHostFunc", Launch;
    /// arg0 executable graph, arg1 stream.
    CU_GRAPH_LAUNCH = 0x0105, "cuGraphLaunch", Launch;
    /// arg0 function.
    CU_LAUNCH = 0x0106, "cuLaunch", Launch;
    /// arg0 function.
    CU_LAUNCH_GRID = 0x0107, "cuLaunchGrid", Launch;
    /// arg0 function, arg1 stream.
    CU_LAUNCH_GRID_ASYNC = 0x0108, "cuLaunchGridAsync", Launch;

    /// arg0 bytes.
    CU_MEMCPY = 0x0140, "cuMemcpy", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_ASYNC = 0x0141, "cuMemcpyAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_HTOD = 0x0142, "cuMemcpyHtoD", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_HTOD_ASYNC = 0x0143, "cuMemcpyHtoDAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_DTOH = 0x0144, "cuMemcpyDtoH", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_DTOH_ASYNC = 0x0145, "cuMemcpyDtoHAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_DTOD = 0x0146, "cuMemcpyDtoD", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_DTOD_ASYNC = 0x0147, "cuMemcpyDtoDAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_2D = 0x0148, "cuMemcpy2D", Copy;
    /// arg0 bytes.
    CU_MEMCPY_2D_UNALIGNED = 0x0149, "cuMemcpy2DUnaligned", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_2D_ASYNC = 0x014a, "cuMemcpy2DAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_3D = 0x014b, "cuMemcpy3D", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_3D_ASYNC = 0x014c, "cuMemcpy3DAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_PEER = 0x014d, "cuMemcpyPeer", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_PEER_ASYNC = 0x014e, "cuMemcpyPeerAsync", Copy;
    /// arg0 address of the list of destinations, arg1 number of copies.
    CU_MEMCPY_BATCH_ASYNC = 0x014f, "cuMemcpyBatchAsync", Copy;
    /// arg0 bytes, arg1 stream, or of the symbol with suffix `_v2` the flags.
    CU_MEM_PREFETCH_ASYNC = 0x0150, "cuMemPrefetchAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_3D_PEER = 0x0151, "cuMemcpy3DPeer", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_3D_PEER_ASYNC = 0x0152, "cuMemcpy3DPeerAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_DTOA = 0x0153, "cuMemcpyDtoA", Copy;
    /// arg0 bytes.
    CU_MEMCPY_ATOD = 0x0154, "cuMemcpyAtoD", Copy;
    /// arg0 bytes.
    CU_MEMCPY_HTOA = 0x0155, "cuMemcpyHtoA", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_HTOA_ASYNC = 0x0156, "cuMemcpyHtoAAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_ATOH = 0x0157, "cuMemcpyAtoH", Copy;
    /// arg0 bytes, arg1 stream.
    CU_MEMCPY_ATOH_ASYNC = 0x0158, "cuMemcpyAtoHAsync", Copy;
    /// arg0 bytes.
    CU_MEMCPY_ATOA = 0x0159, "cuMemcpyAtoA", Copy;

    /// arg0 bytes.
    CU_MEMSET_D8 = 0x0160, "cuMemsetD8", Set;
    /// arg0 bytes, arg1 stream.
    CU_MEMSET_D8_ASYNC = 0x0161, "cuMemsetD8Async", Set;
    /// arg0 bytes.
    CU_MEMSET_D16 = 0x0162, "cuMemsetD16", Set;
    /// arg0 bytes, arg1 stream.
    CU_MEMSET_D16_ASYNC = 0x0163, "cuMemsetD16Async", Set;
    /// arg0 bytes.
    CU_MEMSET_D32 = 0x0164, "cuMemsetD32", Set;
    /// arg0 bytes, arg1 stream.
    CU_MEMSET_D32_ASYNC = 0x0165, "cuMemsetD32Async", Set;
    /// arg0 bytes.
    CU_MEMSET_2D_D8 = 0x0166, "cuMemsetD2D8", Set;
    /// arg0 bytes, arg1 stream.
    CU_MEMSET_2D_D8_ASYNC = 0x0167, "cuMemsetD2D8Async", Set;
    /// arg0 bytes.
    CU_MEMSET_2D_D32 = 0x0168, "cuMemsetD2D32", Set;
    /// arg0 bytes, arg1 stream.
    CU_MEMSET_2D_D32_ASYNC = 0x0169, "cuMemsetD2D32Async", Set;
    /// arg0 bytes.
    CU_MEMSET_2D_D16 = 0x016a, "cuMemsetD2D16", Set;
    /// arg0 bytes, arg1 stream.
    CU_MEMSET_2D_D16_ASYNC = 0x016b, "cuMemsetD2D16Async", Set;

    /// arg0 stream.
    CU_STREAM_SYNCHRONIZE = 0x0180, "cuStreamSynchronize", Sync;
    /// No values.
    CU_CTX_SYNCHRONIZE = 0x0181, "cuCtxSynchronize", Sync;
    /// arg0 event.
    CU_EVENT_SYNCHRONIZE = 0x0182, "cuEventSynchronize", Sync;
    /// arg0 stream, arg1 event. Queues a wait; does not block the caller.
    CU_STREAM_WAIT_EVENT = 0x0183, "cuStreamWaitEvent", Context;

    /// arg0 bytes, arg1 pointer returned.
    CU_MEM_ALLOC = 0x01a0, "cuMemAlloc", Memory;
    /// arg0 row bytes, arg1 pointer returned.
    CU_MEM_ALLOC_PITCH = 0x01a1, "cuMemAllocPitch", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CU_MEM_ALLOC_MANAGED = 0x01a2, "cuMemAllocManaged", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CU_MEM_ALLOC_HOST = 0x01a3, "cuMemAllocHost", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CU_MEM_HOST_ALLOC = 0x01a4, "cuMemHostAlloc", Memory;
    /// arg0 bytes, arg1 address.
    CU_MEM_HOST_REGISTER = 0x01a5, "cuMemHostRegister", Memory;
    /// arg0 address.
    CU_MEM_HOST_UNREGISTER = 0x01a6, "cuMemHostUnregister", Memory;
    /// arg0 pointer.
    CU_MEM_FREE = 0x01a7, "cuMemFree", Memory;
    /// arg0 pointer.
    CU_MEM_FREE_HOST = 0x01a8, "cuMemFreeHost", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CU_MEM_ALLOC_ASYNC = 0x01a9, "cuMemAllocAsync", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CU_MEM_ALLOC_FROM_POOL_ASYNC = 0x01aa, "cuMemAllocFromPoolAsync", Memory;
    /// arg0 pointer, arg1 stream.
    CU_MEM_FREE_ASYNC = 0x01ab, "cuMemFreeAsync", Memory;
    /// arg0 bytes, arg1 handle returned.
    CU_MEM_CREATE = 0x01ac, "cuMemCreate", Memory;
    /// arg0 bytes, arg1 address.
    CU_MEM_MAP = 0x01ad, "cuMemMap", Memory;
    /// arg0 bytes, arg1 address.
    CU_MEM_UNMAP = 0x01ae, "cuMemUnmap", Memory;
    /// arg0 handle.
    CU_MEM_RELEASE = 0x01af, "cuMemRelease", Memory;
    /// arg0 bytes, arg1 address.
    CU_MEM_SET_ACCESS = 0x01b0, "cuMemSetAccess", Memory;
    /// arg0 bytes, arg1 address returned.
    CU_MEM_ADDRESS_RESERVE = 0x01b1, "cuMemAddressReserve", Memory;
    /// arg0 bytes, arg1 address.
    CU_MEM_ADDRESS_FREE = 0x01b2, "cuMemAddressFree", Memory;
    /// arg0 pool, arg1 bytes kept.
    CU_MEM_POOL_TRIM_TO = 0x01b3, "cuMemPoolTrimTo", Memory;

    /// arg1 module returned.
    CU_MODULE_LOAD = 0x01c0, "cuModuleLoad", Code;
    /// arg0 image, arg1 module returned.
    CU_MODULE_LOAD_DATA = 0x01c1, "cuModuleLoadData", Code;
    /// arg0 image, arg1 module returned.
    CU_MODULE_LOAD_DATA_EX = 0x01c2, "cuModuleLoadDataEx", Code;
    /// arg0 image, arg1 module returned.
    CU_MODULE_LOAD_FAT_BINARY = 0x01c3, "cuModuleLoadFatBinary", Code;
    /// arg0 module, arg1 function returned; its name is recorded.
    CU_MODULE_GET_FUNCTION = 0x01c4, "cuModuleGetFunction", Code;
    /// arg0 module.
    CU_MODULE_UNLOAD = 0x01c5, "cuModuleUnload", Code;
    /// arg0 image, arg1 library returned.
    CU_LIBRARY_LOAD_DATA = 0x01c6, "cuLibraryLoadData", Code;
    /// arg1 library returned.
    CU_LIBRARY_LOAD_FROM_FILE = 0x01c7, "cuLibraryLoadFromFile", Code;
    /// arg0 library, arg1 kernel returned; its name is recorded.
    CU_LIBRARY_GET_KERNEL = 0x01c8, "cuLibraryGetKernel", Code;
    /// arg0 library, arg1 module returned.
    CU_LIBRARY_GET_MODULE = 0x01c9, "cuLibraryGetModule", Code;
    /// arg0 library.
    CU_LIBRARY_UNLOAD = 0x01ca, "cuLibraryUnload", Code;
    /// arg0 kernel, arg1 function returned.
    CU_KERNEL_GET_FUNCTION = 0x01cb, "cuKernelGetFunction", Code;
    /// arg0 function.
    CU_FUNC_LOAD = 0x01cc, "cuFuncLoad", Code;
    /// arg0 link state.
    CU_LINK_ADD_DATA = 0x01cd, "cuLinkAddData", Code;
    /// arg0 link state.
    CU_LINK_COMPLETE = 0x01ce, "cuLinkComplete", Code;

    /// arg0 stream.
    CU_STREAM_BEGIN_CAPTURE = 0x01e0, "cuStreamBeginCapture", Graph;
    /// arg0 stream, arg1 graph returned.
    CU_STREAM_END_CAPTURE = 0x01e1, "cuStreamEndCapture", Graph;
    /// arg0 graph, arg1 executable graph returned.
    CU_GRAPH_INSTANTIATE = 0x01e2, "cuGraphInstantiate", Graph;
    /// arg0 graph, arg1 executable graph returned.
    CU_GRAPH_INSTANTIATE_WITH_FLAGS = 0x01e3, "cuGraphInstantiateWithFlags", Graph;
    /// arg0 graph, arg1 executable graph returned.
    CU_GRAPH_INSTANTIATE_WITH_PARAMS = 0x01e4, "cuGraphInstantiateWithParams", Graph;
    /// arg0 executable graph, arg1 graph.
    CU_GRAPH_EXEC_UPDATE = 0x01e5, "cuGraphExecUpdate", Graph;
    /// arg0 executable graph, arg1 stream.
    CU_GRAPH_UPLOAD = 0x01e6, "cuGraphUpload", Graph;
    /// arg0 executable graph, arg1 node.
    CU_GRAPH_EXEC_KERNEL_NODE_SET_PARAMS = 0x01e7, "cuGraphExecKernelNodeSetParams", Graph;
    /// arg0 executable graph.
    CU_GRAPH_EXEC_DESTROY = 0x01e8, "cuGraphExecDestroy", Graph;

    /// arg0 flags.
    CU_INIT = 0x0200, "cuInit", Context;
    /// arg1 context returned.
    CU_CTX_CREATE = 0x0201, "cuCtxCreate", Context;
    /// arg0 context.
    CU_CTX_DESTROY = 0x0202, "cuCtxDestroy", Context;
    /// arg0 device, arg1 context returned.
    CU_DEVICE_PRIMARY_CTX_RETAIN = 0x0203, "cuDevicePrimaryCtxRetain", Context;
    /// arg0 device.
    CU_DEVICE_PRIMARY_CTX_RELEASE = 0x0204, "cuDevicePrimaryCtxRelease", Context;
    /// arg0 device.
    CU_DEVICE_PRIMARY_CTX_RESET = 0x0205, "cuDevicePrimaryCtxReset", Context;
    /// arg1 stream returned.
    CU_STREAM_CREATE = 0x0206, "cuStreamCreate", Context;
    /// arg1 stream returned.
    CU_STREAM_CREATE_WITH_PRIORITY = 0x0207, "cuStreamCreateWithPriority", Context;
    /// arg0 stream.
    CU_STREAM_DESTROY = 0x0208, "cuStreamDestroy", Context;

    /// arg0 host function, arg1 stream.
    CUDA_LAUNCH_KERNEL = 0x0800, "cudaLaunchKernel", Launch;
    /// arg0 host function, arg1 stream.
    CUDA_LAUNCH_KERNEL_EXC = 0x0801, "cudaLaunchKernelExC", Launch;
    /// arg0 executable graph, arg1 stream.
    CUDA_GRAPH_LAUNCH = 0x0802, "cudaGraphLaunch", Launch;
    /// arg0 host function, arg1 stream.
    CUDA_LAUNCH_COOPERATIVE_KERNEL = 0x0803, "cudaLaunchCooperativeKernel", Launch;
    /// arg0 host function, arg1 stream.
    CUDA_LAUNCH_HOST_FUNC = 0x0804, "cudaLaunchHostFunc", Launch;
    /// arg0 bytes, arg1 direction (`enum cudaMemcpyKind`, driver_types.h).
    CUDA_MEMCPY = 0x0810, "cudaMemcpy", Copy;
    /// arg0 bytes, arg1 direction (`enum cudaMemcpyKind`, driver_types.h).
    CUDA_MEMCPY_ASYNC = 0x0811, "cudaMemcpyAsync", Copy;
    /// arg0 row bytes, arg1 rows.
    CUDA_MEMCPY_2D = 0x0812, "cudaMemcpy2D", Copy;
    /// arg0 row bytes, arg1 rows.
    CUDA_MEMCPY_2D_ASYNC = 0x0813, "cudaMemcpy2DAsync", Copy;
    /// arg0 bytes.
    CUDA_MEMCPY_PEER = 0x0814, "cudaMemcpyPeer", Copy;
    /// arg0 bytes, arg1 stream.
    CUDA_MEMCPY_PEER_ASYNC = 0x0815, "cudaMemcpyPeerAsync", Copy;
    /// arg0 bytes.
    CUDA_MEMCPY_TO_SYMBOL = 0x0816, "cudaMemcpyToSymbol", Copy;
    /// arg0 bytes.
    CUDA_MEMCPY_FROM_SYMBOL = 0x0817, "cudaMemcpyFromSymbol", Copy;
    /// arg0 bytes.
    CUDA_MEMSET = 0x0818, "cudaMemset", Set;
    /// arg0 bytes, arg1 stream.
    CUDA_MEMSET_ASYNC = 0x0819, "cudaMemsetAsync", Set;
    /// arg0 bytes.
    CUDA_MEMSET_2D = 0x081a, "cudaMemset2D", Set;
    /// arg0 stream.
    CUDA_STREAM_SYNCHRONIZE = 0x0820, "cudaStreamSynchronize", Sync;
    /// No values.
    CUDA_DEVICE_SYNCHRONIZE = 0x0821, "cudaDeviceSynchronize", Sync;
    /// arg0 event.
    CUDA_EVENT_SYNCHRONIZE = 0x0822, "cudaEventSynchronize", Sync;
    /// arg0 stream, arg1 event. Queues a wait; does not block the caller.
    CUDA_STREAM_WAIT_EVENT = 0x0823, "cudaStreamWaitEvent", Context;
    /// arg0 bytes, arg1 pointer returned.
    CUDA_MALLOC = 0x0830, "cudaMalloc", Memory;
    /// arg0 pointer.
    CUDA_FREE = 0x0831, "cudaFree", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CUDA_MALLOC_ASYNC = 0x0832, "cudaMallocAsync", Memory;
    /// arg0 pointer, arg1 stream.
    CUDA_FREE_ASYNC = 0x0833, "cudaFreeAsync", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CUDA_MALLOC_HOST = 0x0834, "cudaMallocHost", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CUDA_HOST_ALLOC = 0x0835, "cudaHostAlloc", Memory;
    /// arg0 pointer.
    CUDA_FREE_HOST = 0x0836, "cudaFreeHost", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CUDA_MALLOC_MANAGED = 0x0837, "cudaMallocManaged", Memory;
    /// arg0 row bytes, arg1 pointer returned.
    CUDA_MALLOC_PITCH = 0x0838, "cudaMallocPitch", Memory;
    /// arg0 bytes, arg1 address.
    CUDA_HOST_REGISTER = 0x0839, "cudaHostRegister", Memory;
    /// arg0 address.
    CUDA_HOST_UNREGISTER = 0x083a, "cudaHostUnregister", Memory;
    /// arg0 bytes, arg1 pointer returned.
    CUDA_MALLOC_FROM_POOL_ASYNC = 0x083b, "cudaMallocFromPoolAsync", Memory;

    /// arg0 stream.
    CUDA_STREAM_BEGIN_CAPTURE = 0x0840, "cudaStreamBeginCapture", Graph;
    /// arg0 stream, arg1 graph returned.
    CUDA_STREAM_END_CAPTURE = 0x0841, "cudaStreamEndCapture", Graph;
    /// arg0 graph, arg1 executable graph returned.
    CUDA_GRAPH_INSTANTIATE = 0x0842, "cudaGraphInstantiate", Graph;
    /// arg0 graph, arg1 executable graph returned.
    CUDA_GRAPH_INSTANTIATE_WITH_FLAGS = 0x0843, "cudaGraphInstantiateWithFlags", Graph;

    /// arg1 stream returned.
    CUDA_STREAM_CREATE = 0x0850, "cudaStreamCreate", Context;
    /// arg1 stream returned.
    CUDA_STREAM_CREATE_WITH_FLAGS = 0x0851, "cudaStreamCreateWithFlags", Context;
    /// arg1 stream returned.
    CUDA_STREAM_CREATE_WITH_PRIORITY = 0x0852, "cudaStreamCreateWithPriority", Context;
    /// arg0 stream.
    CUDA_STREAM_DESTROY = 0x0853, "cudaStreamDestroy", Context;

    /// arg0 bytes each rank gives, arg1 communicator.
    NCCL_ALL_REDUCE = 0x1001, "ncclAllReduce", Collective;
    /// arg0 bytes each rank gives, arg1 communicator.
    NCCL_ALL_GATHER = 0x1002, "ncclAllGather", Collective;
    /// arg0 bytes each rank gets, arg1 communicator.
    NCCL_REDUCE_SCATTER = 0x1003, "ncclReduceScatter", Collective;
    /// arg0 bytes, arg1 communicator.
    NCCL_BROADCAST = 0x1004, "ncclBroadcast", Collective;
    /// arg0 bytes, arg1 communicator.
    NCCL_BCAST = 0x1005, "ncclBcast", Collective;
    /// arg0 bytes each rank gives, arg1 communicator.
    NCCL_REDUCE = 0x1006, "ncclReduce", Collective;
    /// arg0 bytes, arg1 communicator.
    NCCL_SEND = 0x1007, "ncclSend", Collective;
    /// arg0 bytes, arg1 communicator.
    NCCL_RECV = 0x1008, "ncclRecv", Collective;
    /// arg0 bytes for each peer, arg1 communicator.
    NCCL_ALL_TO_ALL = 0x1009, "ncclAlltoAll", Collective;
    /// No values.
    NCCL_GROUP_START = 0x1010, "ncclGroupStart", Collective;
    /// No values.
    NCCL_GROUP_END = 0x1011, "ncclGroupEnd", Collective;
    /// arg0 number of ranks in the upper 32 bits, this rank in the lower; arg1 communicator returned.
    NCCL_COMM_INIT_RANK = 0x1020, "ncclCommInitRank", Collective;
    /// arg0 number of ranks in the upper 32 bits, this rank in the lower; arg1 communicator returned.
    NCCL_COMM_INIT_RANK_CONFIG = 0x1021, "ncclCommInitRankConfig", Collective;
    /// arg0 number of devices, arg1 the first communicator returned.
    NCCL_COMM_INIT_ALL = 0x1022, "ncclCommInitAll", Collective;
    /// arg0 communicator split, arg1 communicator returned.
    NCCL_COMM_SPLIT = 0x1023, "ncclCommSplit", Collective;
    /// arg0 communicator.
    NCCL_COMM_ABORT = 0x1024, "ncclCommAbort", Collective;
    /// arg0 communicator.
    NCCL_COMM_DESTROY = 0x1025, "ncclCommDestroy", Collective;
    /// arg0 communicator.
    NCCL_COMM_FINALIZE = 0x1026, "ncclCommFinalize", Collective;

    /// An off-CPU interval: arg0 run-queue delay, ns, arg1 the waker's tid in the upper, the preemptor's in the
    /// lower 32 bits; `ret` the task state.
    OFF_CPU = 0x2001, "off_cpu", Host;

    /// A process was created: arg0 parent pid.
    FORK = 0x4001, "fork", Host;
    /// A process replaced its program.
    EXEC = 0x4002, "exec", Host;
    /// A process ended: arg0 exit code as the kernel keeps it (status in bits 8 and up, signal in bits 0 to 6).
    EXIT = 0x4003, "exit", Host;

    /// A thread had to free memory before it got some: arg0 pages freed, arg1 the order it wanted (2 to this power
    /// pages).
    DIRECT_RECLAIM = 0x5001, "direct_reclaim", Host;
    /// A thread's page allocations since its last such event: arg0 bytes, a page counted as 4 KiB, arg1 allocations.
    PAGE_ALLOC = 0x5002, "page_alloc", Host;
    /// The kernel chose process `pid` to die for want of memory.
    OOM_KILL = 0x5003, "oom_kill", Host;
    /// A request to a disk, from its issue to its end: arg0 bytes, arg1 device number (kernel's `dev_t`) in the
    /// upper 32 bits, kind of request (`REQ_OP_*`, include/linux/blk_types.h) in the lower; `ret` 0 or the error.
    BLOCK_IO = 0x5011, "block_io", Host;
    /// A signal that stops, continues or ends was sent to this thread: arg0 its number, arg1 the sender's pid in
    /// the upper, tid in the lower 32 bits; `ret` what became of it (`TRACE_SIGNAL_*` of
    /// include/trace/events/signal.h, 0 delivered).
    SIGNAL = 0x5021, "signal", Host;
    /// A TCP segment was sent again: arg0 the peer's IPv4 address, first byte lowest (0: IPv6), arg1 the peer's
    /// port in the upper, ours in the lower 16 of 32 bits.
    TCP_RETRANSMIT = 0x5031, "tcp_retransmit", Host;
    /// A thread's page faults in user code since its last such event: arg0 how many.
    PAGE_FAULTS = 0x5041, "page_faults", Host;
    /// The scheduler moved a thread that was not running to the run queue of another CPU: arg0 the CPU it left, arg1 the
    /// CPU it goes to.
    MIGRATE = 0x5051, "migrate", Host;

    /// A thread's name from `end_ns` on: arg0 and arg1 hold its 16 bytes.
    TASK_NAME = 0x6001, "task_name", Host;
    /// Part of a stack, of user code if `pid` is not 0: `stack` its id, `ret` the part's number, `flags` the number of parts; arg0 and
    /// arg1 two addresses, innermost first, 0 after the last.
    STACK_PART = 0x6002, "stack_part", Host;
    /// Part of a text: as `STACK_PART`, arg0 and arg1 hold 16 bytes, zero-padded.
    TEXT_PART = 0x6003, "text_part", Host;
    /// A handle's name: arg0 the handle, `stack` the id of its text.
    HANDLE_NAME = 0x6004, "handle_name", Host;
    /// Events not kept: arg0 how many, arg1 their first number, dur and end the time they lie in,
    /// `flags` the source, `ret` the cause, `tid` the CPU (65535: not known).
    LOSS = 0x6005, "loss", Host;
    /// From `end_ns` on, calls of process `pid` into one library are recorded: arg0 when the process
    /// started (boottime ns), arg1 the library's inode.
    COVERED = 0x6006, "covered", Host;
    /// CLOCK_REALTIME in arg0, Unix ns, at CLOCK_BOOTTIME `end_ns`; arg1 the uncertainty, ns.
    ANCHOR = 0x6007, "anchor", Host;
    /// A number read at `end_ns`: arg0 the bits of an IEEE double, `stack` the id of its text, a name with
    /// labels such as `psi_some_total_us{resource="cpu"}`; `pid` the process it concerns, or 0.
    SAMPLE = 0x6008, "sample", Host;
    /// The overhead budget changed how a lane of operations is recorded: `flags` the lane's bit, `ret` the
    /// mode from then on (0 whole calls, 1 entries only, 2 entries at times, 3 nothing) and, in bits 8 and up,
    /// the one before; `pid` and `tid` the thread that cost most, arg0 its calls a second, arg1 its cost in
    /// millionths of its time.
    BUDGET = 0x6009, "budget", Host;
    /// A program said something of a time, at `end_ns`: arg0 its begin (boottime ns), arg1 its duration (ns), `pid` the
    /// process it concerns or 0, `tid` the process and `ret` the user (its bits) that said it, `stack` the id of its
    /// text, an object of JSON in which every value is a string.
    ANNOTATION = 0x600a, "annotation", Host;
}
