//! Where each operation's two values lie when its function is entered.
//!
//! Argument orders are those of cuda.h (CUDA 13), cuda_runtime_api.h and nccl.h. What the two values mean is said
//! at each operation in `format/src/ops/table.rs`.

use ingero_ebpf_abi::{
    Arg::{self, A0, A1, A2, A3, A4, A5, ConfigStream, Copy2D, Copy3D, None, Ranks, S0, S1, S2},
    Cookie, Lane, Scale,
};
use ingero_format::ops::{self, Group, *};

/// The cookie for an operation's probes.
#[must_use]
pub fn arguments(op: u16) -> Cookie {
    let (arg0, arg1) = values(op);
    let (out, name) = results(op);
    Cookie::new(op, arg0, arg1, out, name).with(scale(op), lane(op))
}

/// The lane in which an operation is shed.
#[must_use]
pub fn lane(op: u16) -> Lane {
    match ops::by_number(op).map(|op| op.group) {
        Some(Group::Launch) => Lane::Launch,
        Some(Group::Copy | Group::Set) => Lane::Copy,
        Some(Group::Memory) => Lane::Memory,
        _ => Lane::Rest,
    }
}

fn scale(op: u16) -> Scale {
    match op {
        CU_MEMSET_D16 | CU_MEMSET_D16_ASYNC => Scale::Two,
        CU_MEMSET_D32 | CU_MEMSET_D32_ASYNC => Scale::Four,
        CU_MEMSET_2D_D8 | CU_MEMSET_2D_D8_ASYNC => Scale::Rows,
        CU_MEMSET_2D_D16 | CU_MEMSET_2D_D16_ASYNC => Scale::RowsTwo,
        CU_MEMSET_2D_D32 | CU_MEMSET_2D_D32_ASYNC => Scale::RowsFour,
        CUDA_MEMSET_2D => Scale::Rows,
        NCCL_ALL_REDUCE | NCCL_ALL_GATHER | NCCL_REDUCE_SCATTER | NCCL_BROADCAST => Scale::TypeA3,
        NCCL_REDUCE | NCCL_ALL_TO_ALL => Scale::TypeA3,
        NCCL_BCAST | NCCL_SEND | NCCL_RECV => Scale::TypeA2,
        _ => Scale::One,
    }
}

// Of the driver's API.
fn values(op: u16) -> (Arg, Arg) {
    match op {
        CU_LAUNCH_KERNEL | CU_LAUNCH_COOPERATIVE_KERNEL => (A0, S2),
        CU_LAUNCH_KERNEL_EX => (A1, ConfigStream),
        CU_LAUNCH_HOST_FUNC => (A1, A0),
        CU_LAUNCH_GRID_ASYNC => (A0, A3),
        CU_LAUNCH | CU_LAUNCH_GRID => (A0, None),
        CU_MEMCPY | CU_MEMCPY_HTOD | CU_MEMCPY_DTOH | CU_MEMCPY_DTOD => (A2, None),
        CU_MEMCPY_ASYNC | CU_MEMCPY_HTOD_ASYNC | CU_MEMCPY_DTOH_ASYNC | CU_MEMCPY_DTOD_ASYNC => (A2, A3),
        CU_MEMCPY_2D | CU_MEMCPY_2D_UNALIGNED => (Copy2D, None),
        CU_MEMCPY_2D_ASYNC => (Copy2D, A1),
        CU_MEMCPY_3D | CU_MEMCPY_3D_PEER => (Copy3D, None),
        CU_MEMCPY_3D_ASYNC | CU_MEMCPY_3D_PEER_ASYNC => (Copy3D, A1),
        CU_MEMCPY_DTOA | CU_MEMCPY_ATOD | CU_MEMCPY_HTOA | CU_MEMCPY_ATOH => (A3, None),
        CU_MEMCPY_HTOA_ASYNC | CU_MEMCPY_ATOH_ASYNC => (A3, A4),
        CU_MEMCPY_ATOA => (A4, None),
        CU_MEMCPY_PEER => (A4, None),
        CU_MEMCPY_PEER_ASYNC => (A4, A5),
        CU_MEMCPY_BATCH_ASYNC => (A0, A3),
        CU_MEM_PREFETCH_ASYNC => (A1, A3),
        CU_MEMSET_D8 | CU_MEMSET_D16 | CU_MEMSET_D32 => (A2, None),
        CU_MEMSET_D8_ASYNC | CU_MEMSET_D16_ASYNC | CU_MEMSET_D32_ASYNC => (A2, A3),
        CU_MEMSET_2D_D8 | CU_MEMSET_2D_D16 | CU_MEMSET_2D_D32 => (A3, None),
        CU_MEMSET_2D_D8_ASYNC | CU_MEMSET_2D_D16_ASYNC | CU_MEMSET_2D_D32_ASYNC => (A3, A5),
        CU_CTX_SYNCHRONIZE | CUDA_DEVICE_SYNCHRONIZE => (None, None),
        CU_STREAM_SYNCHRONIZE | CU_EVENT_SYNCHRONIZE => (A0, None),
        CUDA_STREAM_SYNCHRONIZE | CUDA_EVENT_SYNCHRONIZE => (A0, None),
        CU_MEM_ALLOC | CU_MEM_ALLOC_MANAGED | CU_MEM_ALLOC_HOST | CU_MEM_HOST_ALLOC => (A1, None),
        CU_MEM_ALLOC_ASYNC | CU_MEM_ALLOC_FROM_POOL_ASYNC => (A1, None),
        CU_MEM_CREATE | CU_MEM_ADDRESS_RESERVE | CUDA_MALLOC | CUDA_MALLOC_ASYNC => (A1, None),
        CU_MEM_ALLOC_PITCH => (A2, None),
        CU_MEM_HOST_REGISTER | CU_MEM_MAP | CU_MEM_UNMAP | CU_MEM_SET_ACCESS | CU_MEM_ADDRESS_FREE => {
            (A1, A0)
        }
        CU_MEM_HOST_UNREGISTER | CU_MEM_FREE | CU_MEM_FREE_HOST | CU_MEM_RELEASE | CUDA_FREE => (A0, None),
        CU_MODULE_LOAD | CU_LIBRARY_LOAD_FROM_FILE | CU_CTX_CREATE => (None, None),
        CU_STREAM_CREATE | CU_STREAM_CREATE_WITH_PRIORITY => (None, None),
        CU_MODULE_LOAD_DATA | CU_MODULE_LOAD_DATA_EX | CU_MODULE_LOAD_FAT_BINARY => (A1, None),
        CU_MODULE_GET_FUNCTION | CU_LIBRARY_LOAD_DATA | CU_LIBRARY_GET_KERNEL => (A1, None),
        CU_LIBRARY_GET_MODULE | CU_KERNEL_GET_FUNCTION | CU_DEVICE_PRIMARY_CTX_RETAIN => (A1, None),
        CU_GRAPH_INSTANTIATE | CU_GRAPH_INSTANTIATE_WITH_FLAGS | CU_GRAPH_INSTANTIATE_WITH_PARAMS => {
            (A1, None)
        }
        CU_STREAM_BEGIN_CAPTURE | CU_STREAM_END_CAPTURE => (A0, None),
        CU_MODULE_UNLOAD | CU_LIBRARY_UNLOAD | CU_FUNC_LOAD | CU_LINK_ADD_DATA | CU_LINK_COMPLETE => {
            (A0, None)
        }
        CU_GRAPH_EXEC_DESTROY | CU_INIT | CU_CTX_DESTROY | CU_STREAM_DESTROY => (A0, None),
        CU_DEVICE_PRIMARY_CTX_RELEASE | CU_DEVICE_PRIMARY_CTX_RESET => (A0, None),
        _ => other_values(op),
    }
}

// Of the runtime's API, and of NCCL's.
fn other_values(op: u16) -> (Arg, Arg) {
    match op {
        // Two dim3 by value take two registers each.
        CUDA_LAUNCH_KERNEL | CUDA_LAUNCH_COOPERATIVE_KERNEL => (A0, S1),
        CUDA_LAUNCH_KERNEL_EXC => (A1, ConfigStream),
        CUDA_LAUNCH_HOST_FUNC => (A1, A0),
        CUDA_MEMCPY | CUDA_MEMCPY_ASYNC => (A2, A3),
        CUDA_MEMCPY_2D | CUDA_MEMCPY_2D_ASYNC => (A4, A5),
        CUDA_MEMCPY_PEER => (A4, None),
        CUDA_MEMCPY_PEER_ASYNC => (A4, A5),
        CUDA_MEMCPY_TO_SYMBOL | CUDA_MEMCPY_FROM_SYMBOL | CUDA_MEMSET => (A2, None),
        CUDA_MEMSET_ASYNC => (A2, A3),
        CUDA_MEMSET_2D => (A3, None),
        CUDA_MALLOC_HOST | CUDA_HOST_ALLOC | CUDA_MALLOC_MANAGED | CUDA_MALLOC_FROM_POOL_ASYNC => (A1, None),
        CUDA_MALLOC_PITCH => (A2, None),
        CUDA_FREE_HOST | CUDA_HOST_UNREGISTER | CUDA_STREAM_DESTROY => (A0, None),
        CUDA_HOST_REGISTER => (A1, A0),
        CUDA_STREAM_BEGIN_CAPTURE | CUDA_STREAM_END_CAPTURE => (A0, None),
        CUDA_GRAPH_INSTANTIATE | CUDA_GRAPH_INSTANTIATE_WITH_FLAGS => (A1, None),
        CUDA_STREAM_CREATE | CUDA_STREAM_CREATE_WITH_FLAGS | CUDA_STREAM_CREATE_WITH_PRIORITY => (None, None),
        // nccl.h: (send, receive, count, type, operation or root, communicator, stream); ncclReduce has both.
        NCCL_ALL_REDUCE | NCCL_REDUCE_SCATTER | NCCL_BROADCAST => (A2, A5),
        NCCL_REDUCE => (A2, S0),
        NCCL_ALL_GATHER | NCCL_ALL_TO_ALL => (A2, A4),
        NCCL_BCAST | NCCL_SEND | NCCL_RECV => (A1, A4),
        NCCL_GROUP_START | NCCL_GROUP_END => (None, None),
        NCCL_COMM_INIT_RANK | NCCL_COMM_INIT_RANK_CONFIG => (Ranks, None),
        NCCL_COMM_INIT_ALL => (A1, None),
        NCCL_COMM_SPLIT | NCCL_COMM_ABORT | NCCL_COMM_DESTROY | NCCL_COMM_FINALIZE => (A0, None),
        // The first two arguments as they come: graphs (executable, stream or node), events, pools.
        _ => (A0, A1),
    }
}

// The pointer to what the call returns, and the name it was asked for.
fn results(op: u16) -> (Arg, Arg) {
    match op {
        CU_MODULE_GET_FUNCTION | CU_LIBRARY_GET_KERNEL => (A0, A2),
        CU_STREAM_END_CAPTURE | CUDA_STREAM_END_CAPTURE => (A1, None),
        NCCL_COMM_SPLIT => (A3, None),
        NCCL_COMM_INIT_RANK | NCCL_COMM_INIT_RANK_CONFIG | NCCL_COMM_INIT_ALL => (A0, None),
        CUDA_MALLOC_HOST | CUDA_HOST_ALLOC | CUDA_MALLOC_MANAGED | CUDA_MALLOC_FROM_POOL_ASYNC => (A0, None),
        CUDA_MALLOC_PITCH | CUDA_GRAPH_INSTANTIATE | CUDA_GRAPH_INSTANTIATE_WITH_FLAGS => (A0, None),
        CUDA_STREAM_CREATE | CUDA_STREAM_CREATE_WITH_FLAGS | CUDA_STREAM_CREATE_WITH_PRIORITY => (A0, None),
        CU_MEM_ALLOC | CU_MEM_ALLOC_PITCH | CU_MEM_ALLOC_MANAGED | CU_MEM_ALLOC_HOST | CU_MEM_HOST_ALLOC => {
            (A0, None)
        }
        CU_MEM_ALLOC_ASYNC | CU_MEM_ALLOC_FROM_POOL_ASYNC | CU_MEM_CREATE | CU_MEM_ADDRESS_RESERVE => {
            (A0, None)
        }
        CU_MODULE_LOAD | CU_MODULE_LOAD_DATA | CU_MODULE_LOAD_DATA_EX | CU_MODULE_LOAD_FAT_BINARY => {
            (A0, None)
        }
        CU_LIBRARY_LOAD_DATA | CU_LIBRARY_LOAD_FROM_FILE | CU_LIBRARY_GET_MODULE => (A0, None),
        CU_KERNEL_GET_FUNCTION | CU_DEVICE_PRIMARY_CTX_RETAIN | CU_CTX_CREATE => (A0, None),
        CU_GRAPH_INSTANTIATE | CU_GRAPH_INSTANTIATE_WITH_FLAGS | CU_GRAPH_INSTANTIATE_WITH_PARAMS => {
            (A0, None)
        }
        CU_STREAM_CREATE | CU_STREAM_CREATE_WITH_PRIORITY | CUDA_MALLOC | CUDA_MALLOC_ASYNC => (A0, None),
        _ => (None, None),
    }
}
