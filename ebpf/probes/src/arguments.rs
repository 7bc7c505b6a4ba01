//! Values of a function that was just entered.

use core::ffi::c_void;

use aya_ebpf::{EbpfContext, helpers::bpf_probe_read_user, programs::ProbeContext};
use ingero_ebpf_abi::{Arg, Scale};

/// `offsetof(CUlaunchConfig, hStream)` (cuda.h): seven 32-bit sizes, then padding to 8.
const CONFIG_STREAM: u64 = 32;
/// `offsetof(CUDA_MEMCPY2D, WidthInBytes)`; the height follows.
const COPY_2D_EXTENT: u64 = 112;
/// `offsetof(CUDA_MEMCPY3D, WidthInBytes)`, the same in `CUDA_MEMCPY3D_PEER`; height and depth follow.
const COPY_3D_EXTENT: u64 = 176;
/// Bytes of each `ncclDataType_t` by number (nccl.h): int8, uint8, int32, uint32, int64, uint64, float16,
/// float32, float64, bfloat16, float8e4m3, float8e5m2. Four bits each, number 0 lowest.
const NCCL_TYPE_BYTES: u64 = 0x1128_4288_4411;

/// The stack pointer of the probed program.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub fn stack_pointer(registers: *mut c_void) -> u64 {
    unsafe { (*registers.cast::<aya_ebpf::bindings::pt_regs>()).rsp }
}

/// Not known here (0): every open call stays open until its return.
#[cfg(not(bpf_target_arch = "x86_64"))]
#[inline(always)]
pub fn stack_pointer(_: *mut c_void) -> u64 {
    0
}

/// The value that an [`Arg`] selects, times what a [`Scale`] says.
#[inline(always)]
pub fn value(ctx: &ProbeContext, from: u8, scale: u8) -> u64 {
    if from == Arg::None as u8 {
        return 0;
    }
    let value = select(ctx, from);
    if scale == Scale::One as u8 { value } else { value.wrapping_mul(factor(ctx, scale)) }
}

#[inline(always)]
fn select(ctx: &ProbeContext, from: u8) -> u64 {
    let argument = |i: usize| -> u64 { ctx.arg(i).unwrap_or(0) };
    match from {
        1 => argument(0),
        2 => argument(1),
        3 => argument(2),
        4 => argument(3),
        5 => argument(4),
        6 => argument(5),
        7..=9 => stack_value(ctx, from - Arg::S0 as u8),
        10 => read_u64(argument(0) + CONFIG_STREAM),
        11 => {
            let extent = argument(0) + COPY_2D_EXTENT;
            read_u64(extent).wrapping_mul(read_u64(extent + 8))
        }
        12 => {
            let extent = argument(0) + COPY_3D_EXTENT;
            read_u64(extent).wrapping_mul(read_u64(extent + 8)).wrapping_mul(read_u64(extent + 16))
        }
        13 => argument(1) << 32 | argument(2) & 0xffff_ffff,
        _ => 0,
    }
}

#[inline(always)]
fn factor(ctx: &ProbeContext, scale: u8) -> u64 {
    let rows = || -> u64 { ctx.arg(4).unwrap_or(0) };
    let type_bytes = |kind: u64| NCCL_TYPE_BYTES >> (4 * (kind & 15)) & 15;
    match scale {
        1 => 2,
        2 => 4,
        3 => rows(),
        4 => 2 * rows(),
        5 => 4 * rows(),
        6 => type_bytes(ctx.arg(3).unwrap_or(15)),
        7 => type_bytes(ctx.arg(2).unwrap_or(15)),
        _ => 1,
    }
}

// System V AMD64 ABI 3.2.3: at entry the return address is on top, stack arguments follow.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn stack_value(ctx: &ProbeContext, index: u8) -> u64 {
    read_u64(stack_pointer(ctx.as_ptr()) + 8 + 8 * u64::from(index))
}

// AAPCS64 passes eight integer arguments in registers: only later ones are on the stack.
#[cfg(not(bpf_target_arch = "x86_64"))]
#[inline(always)]
fn stack_value(_: &ProbeContext, _: u8) -> u64 {
    0
}

/// Eight bytes of the probed program's memory; 0 if they cannot be read.
#[inline(always)]
pub fn read_u64(address: u64) -> u64 {
    unsafe { bpf_probe_read_user(address as *const u64) }.unwrap_or(0)
}
