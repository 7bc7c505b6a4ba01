//! A mapped page that cannot be had must not end the recorder.
//!
//! Touching a page of a mapped file for which the disk has no room or no answer raises SIGBUS, whose default
//! is death. The handler looks whether the address lies in a range that a [`Guard`] watches; if so it maps
//! zeros over that page, notes it, and returns, so that the access is done again and succeeds. The owner
//! asks [`Guard::is_broken`] and leaves the file. So it is for the thread that is [`Forgiving`], whatever it maps.
//! Any other SIGBUS goes its default way.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering},
    },
};

use crate::lock::lock;

/// Ranges watched at once: the head, and a few files being read.
const RANGES: usize = 64;
const PAGE: usize = 4096;

/// `from` is 0 while the entry is free.
struct Range {
    from: AtomicUsize,
    to: AtomicUsize,
    broken: AtomicBool,
}

static WATCHED: [Range; RANGES] =
    [const { Range { from: AtomicUsize::new(0), to: AtomicUsize::new(0), broken: AtomicBool::new(false) } };
        RANGES];

/// Serialises taking entries; the handler takes no lock.
static TAKING: Mutex<()> = Mutex::new(());

/// Watches a mapping for as long as it lives; drop it before the mapping.
#[derive(Debug)]
pub struct Guard(Option<usize>);

impl Guard {
    /// Watches the pages of `bytes`. Beyond 64 mappings at once it watches nothing.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let _taking = lock(&TAKING);
        let from = bytes.as_ptr() as usize;
        let free = WATCHED.iter().enumerate().find(|(_, r)| r.from.load(Ordering::Relaxed) == 0);
        Self(free.map(|(i, range)| {
            range.broken.store(false, Ordering::Relaxed);
            range.to.store(from + bytes.len().next_multiple_of(PAGE), Ordering::Relaxed);
            range.from.store(from, Ordering::Release);
            i
        }))
    }

    /// True if a page of the mapping had to be replaced.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.range().is_some_and(|r| r.broken.load(Ordering::Acquire))
    }

    fn range(&self) -> Option<&'static Range> {
        self.0.and_then(|i| WATCHED.get(i))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(range) = self.range() {
            range.from.store(0, Ordering::Release);
        }
    }
}

/// The thread that reads mapped files of others, or 0.
static FORGIVEN: AtomicI32 = AtomicI32::new(0);

/// While it lives, any mapped page that its thread cannot have reads as zeros: the thread reads files that
/// belong to others, through code that maps them. One thread at a time.
#[derive(Debug)]
pub struct Forgiving(());

impl Forgiving {
    /// Forgives the calling thread.
    #[must_use]
    pub fn this_thread() -> Self {
        FORGIVEN.store(this_thread(), Ordering::Release);
        Self(())
    }
}

impl Drop for Forgiving {
    fn drop(&mut self) {
        FORGIVEN.store(0, Ordering::Release);
    }
}

fn this_thread() -> i32 {
    // SAFETY: takes nothing, cannot fail, and is allowed in a signal handler.
    unsafe { libc::gettid() }
}

/// Installs the handler for the whole process.
///
/// # Errors
/// If the system refuses.
pub fn install() -> io::Result<()> {
    // SAFETY: an all-zero sigaction is a valid value of this plain C structure.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handle as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: `action` is complete, and the handler does only what a signal handler may: atomics, mmap,
    // sigaction and raise.
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

extern "C" fn handle(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo for SA_SIGINFO handlers.
    let address = unsafe { (*info).si_addr() } as usize;
    let range = WATCHED.iter().find(|r| {
        let from = r.from.load(Ordering::Acquire);
        from != 0 && (from..r.to.load(Ordering::Relaxed)).contains(&address)
    });
    // SAFETY: as above.
    let lost =
        unsafe { (*info).si_code } == libc::BUS_ADRERR && FORGIVEN.load(Ordering::Acquire) == this_thread();
    if range.is_some() || lost {
        let page = (address & !(PAGE - 1)) as *mut libc::c_void;
        let (rights, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
        // SAFETY: the page lies inside a mapping of a file that this thread is reading, or whose guard's owner
        // keeps it, so nothing else is replaced.
        if unsafe { libc::mmap(page, PAGE, rights, kind, -1, 0) } != libc::MAP_FAILED {
            if let Some(range) = range {
                range.broken.store(true, Ordering::Release);
            }
            return;
        }
    }
    // Not ours: the default action, at the same instruction.
    // SAFETY: both calls are allowed in a handler and take plain numbers.
    unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_of_another_that_is_cut_while_it_is_read_reads_as_zeros() {
        install().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 2 * PAGE]).unwrap();
        // SAFETY: the mapping is only read, through volatile reads, and what is cut reads as zeros.
        let mapped = unsafe { memmap2::Mmap::map(&file) }.unwrap();
        file.set_len(0).unwrap();
        let forgiving = Forgiving::this_thread();
        // SAFETY: inside the mapping.
        let read = |at: usize| unsafe { mapped.as_ptr().add(at).read_volatile() };
        assert_eq!((read(0), read(PAGE)), (0, 0));
        drop(forgiving);
    }
}
