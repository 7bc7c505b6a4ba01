//! Files as they are mapped: the kernel tells every executable mapping of every process the moment it is made.
//!
//! One dummy perf event for each CPU carries the records (`PERF_RECORD_MMAP2`, include/uapi/linux/perf_event.h); it
//! counts nothing and costs nothing between mappings. Neither mount namespaces nor odd ways of loading matter to it.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

use perf_event::{Builder, Sampler, data::Record, events::Software};

/// Pages of each CPU's buffer: some 500 mappings with long paths.
const PAGES: usize = 16;

/// A file was mapped executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMapping {
    /// By which process.
    pub pid: u32,
    /// Under which path; the file itself must be asked of the process.
    pub path: String,
    /// Device (major, minor) and inode; zeros if the record has none.
    pub id: (u32, u32, u64),
}

/// What happened since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Mappings in order for each CPU.
    pub mapped: Vec<NewMapping>,
    /// Some were missed: everybody must be looked at.
    pub missed: bool,
}

/// The events of all CPUs.
pub struct Mappings(Vec<Sampler>);

impl Mappings {
    /// Opens them on every CPU that there is.
    ///
    /// # Errors
    /// What the kernel says. Libraries are then found by looking at every process at intervals.
    pub fn open() -> io::Result<Self> {
        let cpus = std::thread::available_parallelism()?.get().max(configured_cpus());
        let mut samplers = Vec::new();
        for cpu in 0..cpus {
            let opened = Builder::new(Software::DUMMY)
                .any_pid()
                .one_cpu(cpu)
                .include_kernel()
                .include_hv()
                .exclude_user(false)
                .mmap(true)
                .mmap2(true)
                .wakeup_watermark(1)
                .enabled(true)
                .build()
                .and_then(|counter| counter.sampled(PAGES));
            match opened {
                Ok(sampler) => samplers.push(sampler),
                // A CPU may be offline.
                Err(e) if e.raw_os_error() == Some(libc::ENODEV) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Self(samplers))
    }

    /// Descriptors that become readable when something was mapped.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        // SAFETY: each descriptor belongs to a sampler that `self` owns and lends here.
        self.0.iter().map(|s| unsafe { BorrowedFd::borrow_raw(raw(s)) })
    }

    /// Takes what has come.
    pub fn take(&mut self) -> News {
        let mut news = News::default();
        for sampler in &mut self.0 {
            while let Some(record) = sampler.next_record() {
                match record.parse_record() {
                    Ok(Record::Mmap(m)) if m.filename.first() == Some(&b'/') => {
                        let path = String::from_utf8_lossy(&m.filename).into_owned();
                        news.mapped.push(NewMapping { pid: m.pid, path, id: (0, 0, 0) });
                    }
                    Ok(Record::Mmap2(m)) if m.filename.first() == Some(&b'/') => {
                        let path = String::from_utf8_lossy(&m.filename).into_owned();
                        let id = m.maj().zip(m.min()).zip(m.ino());
                        let id = id.map_or((0, 0, 0), |((major, minor), inode)| (major, minor, inode));
                        news.mapped.push(NewMapping { pid: m.pid, path, id });
                    }
                    Ok(Record::Lost(_)) | Err(_) => news.missed = true,
                    Ok(_) => {}
                }
            }
        }
        news
    }
}

fn raw(sampler: &Sampler) -> RawFd {
    sampler.as_counter().as_raw_fd()
}

fn configured_cpus() -> usize {
    let configured = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_CONF);
    configured.ok().flatten().and_then(|n| usize::try_from(n).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_mapping_of_another_process_is_told_with_its_path() {
        let Ok(mut mappings) = Mappings::open() else {
            eprintln!("NOT RUN: this user may not open perf events on all CPUs");
            return;
        };
        let mut child = Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let news = mappings.take();
        let of_child: Vec<&NewMapping> = news.mapped.iter().filter(|m| m.pid == pid).collect();
        assert!(of_child.iter().any(|m| m.path.contains("libc")), "{of_child:?}");
        assert!(of_child.iter().all(|m| m.id.2 != 0), "{of_child:?}");
    }
}
