// SPDX-License-Identifier: Apache-2.0
//! The model behind the driver library, asked through its entry points.
#![allow(clippy::expect_used, clippy::indexing_slicing)] // a failed test panics

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

type Handle = *mut c_void;
type Device = u64;
type HostFn = extern "C" fn(*mut c_void);

/// Declares the entry points that the tests use, and a way to load them.
macro_rules! driver {
    ($($name:ident($($arg:ty),*);)*) => {
        #[allow(non_snake_case)]
        struct Driver {
            $($name: unsafe extern "C" fn($($arg),*) -> c_int,)*
        }

        impl Driver {
            fn load(path: &Path) -> Self {
                let path = CString::new(path.as_os_str().as_bytes()).expect("a plain path");
                // SAFETY: a library of ours, whose start-up code does nothing.
                let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
                assert!(!library.is_null(), "the library does not load");
                // SAFETY: the types are those of the declarations in cuda.h.
                unsafe {
                    Self {
                        $($name: std::mem::transmute::<
                            *mut c_void,
                            unsafe extern "C" fn($($arg),*) -> c_int,
                        >(symbol(library, stringify!($name))),)*
                    }
                }
            }
        }
    };
}

fn symbol(library: *mut c_void, name: &str) -> *mut c_void {
    let name = CString::new(name).expect("a plain name");
    // SAFETY: the library is open and the name ends with a zero.
    let found = unsafe { libc::dlsym(library, name.as_ptr()) };
    assert!(!found.is_null(), "no {name:?}");
    found
}

driver! {
    cuInit(c_uint);
    cuCtxCreate_v2(*mut Handle, c_uint, c_int);
    cuCtxSynchronize();
    cuModuleLoadData(*mut Handle, *const c_void);
    cuModuleGetFunction(*mut Handle, Handle, *const c_char);
    cuLibraryLoadData(
        *mut Handle, *const c_void, *mut c_int, *mut Handle, c_uint, *mut c_int, *mut Handle, c_uint
    );
    cuLibraryGetKernel(*mut Handle, Handle, *const c_char);
    cuKernelGetFunction(*mut Handle, Handle);
    cuStreamCreate(*mut Handle, c_uint);
    cuStreamDestroy_v2(Handle);
    cuStreamSynchronize(Handle);
    cuStreamQuery(Handle);
    cuStreamWaitEvent(Handle, Handle, c_uint);
    cuEventCreate(*mut Handle, c_uint);
    cuEventRecord(Handle, Handle);
    cuEventSynchronize(Handle);
    cuEventQuery(Handle);
    cuLaunchKernel(
        Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut Handle,
        *mut Handle
    );
    cuLaunchHostFunc(Handle, HostFn, *mut c_void);
    cuMemAlloc_v2(*mut Device, usize);
    cuMemFree_v2(Device);
    cuMemcpyHtoD_v2(Device, *const c_void, usize);
    cuMemcpyDtoH_v2(*mut c_void, Device, usize);
    cuMemcpyDtoDAsync_v2(Device, Device, usize, Handle);
    cuMemsetD32_v2(Device, c_uint, usize);
    cuStreamBeginCapture_v2(Handle, c_int);
    cuStreamEndCapture(Handle, *mut Handle);
    cuGraphInstantiateWithFlags(*mut Handle, Handle, u64);
    cuGraphLaunch(Handle, Handle);
}

const SPIN: c_uint = 0;
const BLOCK: c_uint = 4;
const NOT_READY: c_int = 600;
const INVALID_HANDLE: c_int = 400;

fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("standin-model");
        let files = ingero_standin::unpack(&dir).expect("the files unpack");
        Driver::load(&files.libcuda)
    })
}

/// Calls an entry point and wants success.
macro_rules! ok {
    ($gpu:expr, $name:ident($($arg:expr),*)) => {
        assert_eq!(status!($gpu, $name($($arg),*)), 0, stringify!($name))
    };
}

/// Calls an entry point and gives what it returned.
macro_rules! status {
    ($gpu:expr, $name:ident($($arg:expr),*)) => {
        // SAFETY: each test passes pointers that live through the call.
        unsafe { ($gpu.driver.$name)($($arg),*) }
    };
}

/// A context of the calling thread with a stream and a module.
struct Gpu {
    driver: &'static Driver,
    stream: Handle,
    module: Handle,
}

impl Gpu {
    fn new(flags: c_uint) -> Self {
        let mut gpu = Self { driver: driver(), stream: ptr::null_mut(), module: ptr::null_mut() };
        let mut context = ptr::null_mut();
        let image: &CStr = c"device code";
        ok!(gpu, cuInit(0));
        ok!(gpu, cuCtxCreate_v2(&mut context, flags, 0));
        ok!(gpu, cuStreamCreate(&mut gpu.stream, 0));
        ok!(gpu, cuModuleLoadData(&mut gpu.module, image.as_ptr().cast()));
        gpu
    }

    fn function(&self, name: &CStr) -> Handle {
        let mut function = ptr::null_mut();
        ok!(self, cuModuleGetFunction(&mut function, self.module, name.as_ptr()));
        function
    }

    fn try_launch(&self, function: Handle, stream: Handle, block: c_uint) -> c_int {
        let none = ptr::null_mut();
        status!(self, cuLaunchKernel(function, 1, 1, 1, block, 1, 1, 0, stream, none, none))
    }

    fn launch_into(&self, function: Handle, stream: Handle) {
        assert_eq!(self.try_launch(function, stream, 1), 0, "cuLaunchKernel");
    }

    fn launch(&self, function: Handle) {
        self.launch_into(function, self.stream);
    }
}

#[test]
fn synchronising_waits_for_the_modelled_time() {
    for flags in [SPIN, BLOCK] {
        let gpu = Gpu::new(flags);
        let slow = gpu.function(c"slow@20000:0");

        let start = Instant::now();
        gpu.launch(slow);
        gpu.launch(slow);
        ok!(gpu, cuStreamSynchronize(gpu.stream));
        assert!(start.elapsed() >= Duration::from_millis(40));
        assert_eq!(status!(gpu, cuStreamQuery(gpu.stream)), 0);

        let start = Instant::now();
        gpu.launch_into(slow, ptr::null_mut());
        ok!(gpu, cuCtxSynchronize());
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}

#[test]
fn a_launch_returns_before_the_work_is_done() {
    let gpu = Gpu::new(SPIN);
    // A minute: if the launch waited for it, the test would not end well.
    gpu.launch(gpu.function(c"very_slow@60000000:0"));
    assert_eq!(status!(gpu, cuStreamQuery(gpu.stream)), NOT_READY);
}

#[test]
fn a_full_stream_makes_the_caller_wait_for_room() {
    let gpu = Gpu::new(SPIN);
    let f = gpu.function(c"steady@200:0");
    let start = Instant::now();
    for _ in 0..1024 + 100 {
        gpu.launch(f);
    }
    // A hundred must have left the stream for the last to get in.
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn the_first_launch_of_a_function_costs_its_load_and_later_ones_do_not() {
    let gpu = Gpu::new(SPIN);
    let lazy = gpu.function(c"lazy@1:30000");
    assert_eq!(lazy, gpu.function(c"lazy@1:30000"), "one name, one function");

    let before = cpu_time();
    gpu.launch(lazy);
    let first = cpu_time() - before;
    assert!(first >= Duration::from_millis(30), "{first:?}");

    let before = cpu_time();
    for _ in 0..10 {
        gpu.launch(lazy);
    }
    let rest = cpu_time() - before;
    // CPU time, so other work on the host does not count.
    assert!(rest < first, "ten more took {rest:?}, the first took {first:?}");
}

/// The CPU time of the calling thread.
fn cpu_time() -> Duration {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives through the call.
    let rc = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut ts) };
    assert_eq!(rc, 0);
    Duration::from_secs(ts.tv_sec.unsigned_abs()) + Duration::from_nanos(ts.tv_nsec.unsigned_abs())
}

#[test]
fn a_kernel_of_a_library_leads_to_one_function() {
    let gpu = Gpu::new(SPIN);
    let (mut library, mut kernel, mut function) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let none = ptr::null_mut();
    ok!(
        gpu,
        cuLibraryLoadData(
            &mut library,
            c"device code".as_ptr().cast(),
            ptr::null_mut(),
            none,
            0,
            ptr::null_mut(),
            none,
            0
        )
    );
    ok!(gpu, cuLibraryGetKernel(&mut kernel, library, c"inner@1:0".as_ptr()));
    ok!(gpu, cuKernelGetFunction(&mut function, kernel));
    gpu.launch(function);
    // The driver takes a kernel where it takes a function.
    gpu.launch(kernel);
    ok!(gpu, cuStreamSynchronize(gpu.stream));
}

#[test]
fn events_order_streams() {
    let gpu = Gpu::new(BLOCK);
    let (mut event, mut other) = (ptr::null_mut(), ptr::null_mut());
    ok!(gpu, cuEventCreate(&mut event, 0));
    ok!(gpu, cuStreamCreate(&mut other, 0));
    assert_eq!(status!(gpu, cuEventQuery(event)), 0, "never recorded");

    let start = Instant::now();
    gpu.launch(gpu.function(c"before@20000:0"));
    ok!(gpu, cuEventRecord(event, gpu.stream));
    ok!(gpu, cuStreamWaitEvent(other, event, 0));
    gpu.launch_into(gpu.function(c"after@10000:0"), other);
    ok!(gpu, cuEventSynchronize(event));
    assert!(start.elapsed() >= Duration::from_millis(20));
    ok!(gpu, cuStreamSynchronize(other));
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[test]
fn a_destroyed_stream_leaves_its_work_to_the_context() {
    let gpu = Gpu::new(SPIN);
    let start = Instant::now();
    gpu.launch(gpu.function(c"left_behind@20000:0"));
    ok!(gpu, cuStreamDestroy_v2(gpu.stream));
    ok!(gpu, cuCtxSynchronize());
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_graph_runs_all_that_was_captured() {
    let gpu = Gpu::new(SPIN);
    let f = gpu.function(c"node@5000:0");
    let (mut graph, mut exec) = (ptr::null_mut(), ptr::null_mut());
    ok!(gpu, cuStreamBeginCapture_v2(gpu.stream, 0));
    for _ in 0..4 {
        gpu.launch(f);
    }
    ok!(gpu, cuStreamEndCapture(gpu.stream, &mut graph));
    assert_eq!(status!(gpu, cuStreamQuery(gpu.stream)), 0, "nothing ran yet");
    ok!(gpu, cuGraphInstantiateWithFlags(&mut exec, graph, 0));

    let start = Instant::now();
    ok!(gpu, cuGraphLaunch(exec, gpu.stream));
    ok!(gpu, cuStreamSynchronize(gpu.stream));
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn copies_move_bytes_and_take_the_time_of_the_link() {
    let gpu = Gpu::new(SPIN);
    let sent: Vec<u8> = (0..1_200_000_u32).map(|i| (i % 251) as u8).collect();
    let mut received = vec![0_u8; sent.len()];
    let (mut a, mut b) = (0, 0);
    ok!(gpu, cuMemAlloc_v2(&mut a, sent.len()));
    ok!(gpu, cuMemAlloc_v2(&mut b, sent.len()));

    // 1.2 MB at 12 GB/s, and 5 us.
    let start = Instant::now();
    ok!(gpu, cuMemcpyHtoD_v2(a, sent.as_ptr().cast(), sent.len()));
    assert!(start.elapsed() >= Duration::from_micros(105));
    ok!(gpu, cuMemcpyDtoDAsync_v2(b, a, sent.len(), gpu.stream));
    ok!(gpu, cuMemcpyDtoH_v2(received.as_mut_ptr().cast(), b, sent.len()));
    assert!(sent == received);

    ok!(gpu, cuMemsetD32_v2(a, 0x0403_0201, 2));
    ok!(gpu, cuMemcpyDtoH_v2(received.as_mut_ptr().cast(), a, 9));
    assert_eq!(received[..8], [1, 2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(received[8], sent[8]);
    ok!(gpu, cuMemFree_v2(a));
    ok!(gpu, cuMemFree_v2(b));
}

#[test]
fn a_host_function_runs_before_synchronising_returns() {
    static RAN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn count(_: *mut c_void) {
        RAN.fetch_add(1, Ordering::SeqCst);
    }

    let gpu = Gpu::new(BLOCK);
    gpu.launch(gpu.function(c"first@5000:0"));
    for _ in 0..3 {
        ok!(gpu, cuLaunchHostFunc(gpu.stream, count, ptr::null_mut()));
    }
    ok!(gpu, cuStreamSynchronize(gpu.stream));
    assert_eq!(RAN.load(Ordering::SeqCst), 3);
}

#[test]
fn a_wrong_handle_is_an_error() {
    let gpu = Gpu::new(SPIN);
    let none = ptr::null_mut();
    let f = gpu.function(c"fine");
    assert_eq!(gpu.try_launch(none, none, 1), INVALID_HANDLE);
    assert_eq!(gpu.try_launch(f, gpu.module, 1), INVALID_HANDLE);
    assert_eq!(gpu.try_launch(gpu.stream, none, 1), INVALID_HANDLE);
    // No such shape: more than 1024 threads in a block.
    assert_ne!(gpu.try_launch(f, gpu.stream, 2048), 0);
    assert_eq!(status!(gpu, cuEventRecord(none, none)), INVALID_HANDLE);
    let mut out = ptr::null_mut();
    assert_ne!(status!(gpu, cuModuleGetFunction(&mut out, gpu.module, c"bad@cost".as_ptr())), 0);
}
