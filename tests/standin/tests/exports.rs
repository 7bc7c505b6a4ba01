// SPDX-License-Identifier: Apache-2.0
//! Every entry point of the libraries can be probed cheaply and alone.
#![allow(clippy::expect_used, clippy::indexing_slicing)] // a failed test panics

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

const LIBCUDA: &[&str] = &[
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGet",
    "cuDeviceGetCount",
    "cuCtxCreate_v2",
    "cuCtxSetCurrent",
    "cuCtxGetCurrent",
    "cuCtxDestroy_v2",
    "cuCtxSynchronize",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuModuleLoadData",
    "cuModuleLoadDataEx",
    "cuModuleGetFunction",
    "cuModuleUnload",
    "cuLibraryLoadData",
    "cuLibraryGetKernel",
    "cuLibraryUnload",
    "cuKernelGetFunction",
    "cuStreamCreate",
    "cuStreamCreateWithPriority",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamSynchronize_ptsz",
    "cuStreamQuery",
    "cuStreamWaitEvent",
    "cuEventCreate",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventQuery",
    "cuEventDestroy_v2",
    "cuLaunchKernel",
    "cuLaunchKernel_ptsz",
    "cuLaunchKernelEx",
    "cuLaunchCooperativeKernel",
    "cuLaunchHostFunc",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemAllocManaged",
    "cuMemAllocHost_v2",
    "cuMemHostAlloc",
    "cuMemFreeHost",
    "cuMemAllocAsync",
    "cuMemFreeAsync",
    "cuMemcpy",
    "cuMemcpyAsync",
    "cuMemcpyAsync_ptsz",
    "cuMemcpyHtoD_v2",
    "cuMemcpyDtoH_v2",
    "cuMemcpyDtoD_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8_v2",
    "cuMemsetD32_v2",
    "cuMemsetD8Async",
    "cuMemsetD32Async",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuStreamIsCapturing",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphExecDestroy",
    "cuGraphDestroy",
];

const LIBCUDART: &[&str] = &[
    "__cudaRegisterFatBinary",
    "__cudaRegisterFunction",
    "__cudaRegisterFatBinaryEnd",
    "__cudaUnregisterFatBinary",
    "cudaLaunchKernel",
    "cudaLaunchKernelExC",
    "cudaMalloc",
    "cudaFree",
    "cudaMallocAsync",
    "cudaFreeAsync",
    "cudaMallocHost",
    "cudaFreeHost",
    "cudaMallocManaged",
    "cudaMemcpy",
    "cudaMemcpyAsync",
    "cudaMemsetAsync",
    "cudaMemset",
    "cudaStreamCreate",
    "cudaStreamDestroy",
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventCreate",
    "cudaEventRecord",
    "cudaEventSynchronize",
    "cudaEventDestroy",
    "cudaGetDevice",
    "cudaSetDevice",
    "cudaGetLastError",
    "cudaGetDeviceCount",
];

/// The exported functions of a library: name, address and first byte.
fn exports(path: &Path) -> BTreeMap<String, (u64, u8)> {
    let bytes = std::fs::read(path).expect("the library is there");
    let file = object::File::parse(&*bytes).expect("the library is an ELF file");
    let mut found = BTreeMap::new();
    for symbol in file.dynamic_symbols() {
        if symbol.is_undefined() || symbol.kind() != SymbolKind::Text {
            continue;
        }
        let name = symbol.name().expect("a symbol has a name").to_owned();
        let address = symbol.address();
        let section = symbol
            .section_index()
            .and_then(|index| file.section_by_index(index).ok())
            .expect("a function is in a section");
        let first =
            section.data_range(address, 1).expect("the section has bytes").expect("the function has bytes")
                [0];
        assert!(found.insert(name.clone(), (address, first)).is_none(), "{name} is there twice");
    }
    found
}

fn check(path: &Path, expected: &[&str]) {
    let found = exports(path);
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, expected.iter().copied().collect());

    let mut by_address = BTreeMap::new();
    for (name, (address, first)) in &found {
        if let Some(other) = by_address.insert(*address, name) {
            panic!("{name} and {other} are one function");
        }
        if cfg!(target_arch = "x86_64") {
            // Any other first instruction makes a uprobe single-step it.
            assert_eq!(*first, 0x55, "{name} does not begin with push %rbp");
        }
    }
}

#[test]
fn libcuda_entry_points_begin_with_a_push_each_at_its_own_address() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let files = ingero_standin::unpack(dir.path()).expect("the files unpack");
    check(&files.libcuda, LIBCUDA);
}

#[test]
fn libcudart_entry_points_begin_with_a_push_each_at_its_own_address() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let files = ingero_standin::unpack(dir.path()).expect("the files unpack");
    check(&files.libcudart, LIBCUDART);
}
