//! Where each operation's two values lie when its function is entered.
//!
//! Argument orders are those of cuda.h (CUDA 13) and cuda_runtime_api.h. What the two values mean is said
//! at each operation in `format/src/ops.rs`.

use ingero_ebpf_abi::{
    Arg::{self, A0, A1, A2, A3, A4, A5, ConfigStream, None, S2},
    Cookie,
};
use ingero_format::ops::*;

/// The cookie for an operation's probes.
#[must_use]
pub fn arguments(op: u16) -> Cookie {
    let (arg0, arg1) = values(op);
    let (out, name) = results(op);
    Cookie::new(op, arg0, arg1, out, name)
}

fn values(op: u16) -> (Arg, Arg) {
    match op {
        CU_LAUNCH_KERNEL | CU_LAUNCH_COOPERATIVE_KERNEL => (A0, S2),
        CU_LAUNCH_KERNEL_EX => (A1, ConfigStream),
        CU_LAUNCH_HOST_FUNC => (A1, A0),
        CU_LAUNCH_GRID_ASYNC => (A0, A3),
        CU_LAUNCH | CU_LAUNCH_GRID => (A0, None),
        CU_MEMCPY | CU_MEMCPY_HTOD | CU_MEMCPY_DTOH | CU_MEMCPY_DTOD => (A2, None),
        CU_MEMCPY_ASYNC | CU_MEMCPY_HTOD_ASYNC | CU_MEMCPY_DTOH_ASYNC | CU_MEMCPY_DTOD_ASYNC => (A2, A3),
        CU_MEMCPY_2D | CU_MEMCPY_2D_UNALIGNED | CU_MEMCPY_3D => (A0, None),
        CU_MEMCPY_PEER => (A4, None),
        CU_MEMCPY_PEER_ASYNC => (A4, A5),
        CU_MEMCPY_BATCH_ASYNC => (A0, A3),
        CU_MEM_PREFETCH_ASYNC => (A1, A3),
        CU_MEMSET_D8 | CU_MEMSET_D16 | CU_MEMSET_D32 => (A2, None),
        CU_MEMSET_D8_ASYNC | CU_MEMSET_D16_ASYNC | CU_MEMSET_D32_ASYNC => (A2, A3),
        CU_MEMSET_2D_D8 | CU_MEMSET_2D_D32 => (A3, None),
        CU_MEMSET_2D_D8_ASYNC | CU_MEMSET_2D_D32_ASYNC => (A3, A5),
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
        CU_DEVICE_PRIMARY_CTX_RELEASE | CU_DEVICE_PRIMARY_CTX_RESET | CUDA_LAUNCH_KERNEL => (A0, None),
        CUDA_MEMCPY | CUDA_MEMCPY_ASYNC => (A2, A3),
        CUDA_MEMSET => (A2, None),
        CUDA_MEMSET_ASYNC => (A2, A3),
        // The first two arguments as they come: graphs (executable, stream or node), events, pools.
        _ => (A0, A1),
    }
}

// The pointer to what the call returns, and the name it was asked for.
fn results(op: u16) -> (Arg, Arg) {
    match op {
        CU_MODULE_GET_FUNCTION | CU_LIBRARY_GET_KERNEL => (A0, A2),
        CU_STREAM_END_CAPTURE => (A1, None),
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
