//! The call programs as *multi-uprobes* (kernel 6.6 and later): one link holds every function of a
//! library.
//!
//! A perf-event probe costs the kernel a grace period when it is removed, about 0.1 s, one after the other
//! under a global mutex: 10 s for a small library, 43 s for a driver. A link with all of them costs one.
//! aya 0.14 cannot load programs of this kind, so their instructions are taken from the same object, tied to
//! the maps that aya made, and handed to the kernel here.

use std::{
    collections::HashSet,
    ffi::CString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    path::Path,
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use aya_obj::Object;

use super::{CallProgram, object::OBJECT};

// enum bpf_cmd, bpf_prog_type, bpf_attach_type and flags of include/uapi/linux/bpf.h.
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_PROG_TYPE_KPROBE: u32 = 2;
const BPF_TRACE_UPROBE_MULTI: u32 = 48;
const BPF_F_UPROBE_MULTI_RETURN: u32 = 1;

/// `union bpf_attr`, the part for BPF_PROG_LOAD up to `expected_attach_type`.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// `union bpf_attr`, the part for BPF_LINK_CREATE with `uprobe_multi`.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    ref_ctr_offsets: u64,
    cookies: u64,
    cnt: u32,
    multi_flags: u32,
    pid: u32,
    zero: u32,
}

/// `union bpf_attr`, the part for BPF_OBJ_PIN.
#[repr(C)]
struct ObjPin {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Pins an object of the kernel's at a path in the BPF file system.
///
/// # Errors
/// What the kernel says.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    let attr =
        ObjPin { pathname: path.as_ptr() as u64, bpf_fd: object.as_raw_fd().cast_unsigned(), file_flags: 0 };
    // SAFETY: as in `bpf` below; the path lives through the call. It gives 0, no descriptor.
    let done = unsafe { libc::syscall(libc::SYS_bpf, BPF_OBJ_PIN, &raw const attr, size_of::<ObjPin>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

// Gives a descriptor. The structure's pointers must be good for the length of the call.
fn bpf<T>(command: libc::c_long, attr: &T) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is a plain C structure whose size goes with it; the kernel only reads it, and reads what
    // its addresses point to, which both callers below keep borrowed.
    let fd =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) } as i32;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The call programs, loaded.
pub struct MultiPrograms {
    fds: Vec<(CallProgram, OwnedFd)>,
}

/// A place in a file and what the program is told there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// File offset of the probed instruction, bytes.
    pub offset: u64,
    /// For `bpf_get_attach_cookie`: an [`ingero_ebpf_abi::Cookie`].
    pub cookie: u64,
}

impl MultiPrograms {
    /// Loads the programs on top of the maps of `ebpf`.
    ///
    /// # Errors
    /// What the kernel says; before 6.6 it knows no such programs.
    pub fn load(ebpf: &Ebpf) -> io::Result<Self> {
        let mut object = Object::parse(OBJECT).map_err(io::Error::other)?;
        let texts: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let maps = std::mem::take(&mut object.maps);
        let made = ebpf
            .maps()
            .filter_map(|(name, map)| Some((name, data(map)?.fd().as_fd().as_raw_fd(), maps.get(name)?)));
        object.relocate_maps(made, &texts).map_err(io::Error::other)?;
        object.relocate_calls(&texts).map_err(io::Error::other)?;
        let load = |p: CallProgram| Ok((p, program(&object, p.name())?));
        Ok(Self { fds: CallProgram::ALL.into_iter().map(load).collect::<io::Result<_>>()? })
    }

    /// Probes all sites of a file with one program; the probes stay until the descriptor is closed.
    ///
    /// # Errors
    /// What the kernel says; then none is placed. It does not say which site it minds.
    pub fn attach(&self, program: CallProgram, path: &Path, sites: &[Site]) -> io::Result<OwnedFd> {
        let missing = || io::Error::other("the program is not loaded");
        let fd = self.fds.iter().find(|(of, _)| *of == program).map(|(_, fd)| fd).ok_or_else(missing)?;
        let offsets: Vec<u64> = sites.iter().map(|s| s.offset).collect();
        let cookies: Vec<u64> = sites.iter().map(|s| s.cookie).collect();
        let flags = if program == CallProgram::Return { BPF_F_UPROBE_MULTI_RETURN } else { 0 };
        link(fd, path, &offsets, &cookies, flags)
    }
}

fn link(
    program: &OwnedFd,
    path: &Path,
    offsets: &[u64],
    cookies: &[u64],
    multi_flags: u32,
) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    let attr = LinkCreate {
        prog_fd: program.as_raw_fd().cast_unsigned(),
        attach_type: BPF_TRACE_UPROBE_MULTI,
        path: path.as_ptr() as u64,
        offsets: offsets.as_ptr() as u64,
        cookies: cookies.as_ptr() as u64,
        cnt: offsets.len().min(cookies.len()) as u32,
        multi_flags,
        ..LinkCreate::default()
    };
    bpf(BPF_LINK_CREATE, &attr)
}

fn program(object: &Object, name: &str) -> io::Result<OwnedFd> {
    let missing = || io::Error::other(format!("the BPF object has no program {name}"));
    let found = object.programs.get(name).ok_or_else(missing)?;
    let function = object.functions.get(&found.function_key()).ok_or_else(missing)?;
    let license = found.license.clone();
    let mut prog_name = [0; 16];
    // The last byte stays zero.
    prog_name.iter_mut().take(15).zip(name.bytes()).for_each(|(to, from)| *to = from);
    let attr = ProgLoad {
        prog_type: BPF_PROG_TYPE_KPROBE,
        insn_cnt: function.instructions.len() as u32,
        insns: function.instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        prog_name,
        expected_attach_type: BPF_TRACE_UPROBE_MULTI,
        ..ProgLoad::default()
    };
    bpf(BPF_PROG_LOAD, &attr)
}

// The kinds of map that our programs use.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::LruHashMap(data)
        | Map::RingBuf(data)
        | Map::StackTraceMap(data) => Some(data),
        _ => None,
    }
}
