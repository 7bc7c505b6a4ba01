//! Numbers read at intervals: what the host, its GPUs, the cgroups of recorded processes, an inference
//! engine and the recorder itself were doing while the events happened.
//!
//! Three threads, so that one that hangs stops no other. `sample` reads files of `/proc` and cgroups; a worker
//! like the others. `nvml` asks the driver's management library and `engines` reads web pages: what they wait
//! for may never answer, so nobody waits for them, also not when the recorder stops.
//!
//! Nothing here initialises CUDA. Every reading that fails is left out; a quantity that is absent was not
//! read. Counters are cumulative as their source tells them.

mod cgroup;
pub(crate) mod engine;
mod exposition;
mod host;
pub(crate) mod nvml;
mod own;
mod readings;

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool, mpsc::Sender},
    thread::Builder,
    time::Duration,
};

pub use exposition::{Metric, parse};
pub use readings::{Readings, series};

use crate::{
    annotate::Counts,
    clock,
    config::Samples,
    discover::{Modules, Registry},
    journal,
    news::News,
    progress::Progress,
    pulse::Rhythm,
};

/// What the recorder itself takes now.
#[must_use]
pub(crate) fn own(progress: &Progress, annotations: &Counts) -> Readings {
    let mut readings = Readings::default();
    own::read(progress, annotations, &mut readings);
    readings
}

/// Where the kernel's own files lie: another place in tests.
#[derive(Clone, Copy, Debug)]
struct Roots<'a> {
    proc: &'a Path,
    cgroup: &'a Path,
}

/// Sees each reading of all GPUs, before it is sent.
pub type GpuWatch = Box<dyn FnMut(&Readings) + Send>;

/// Everything the sampling threads need.
pub struct Sampler {
    /// What is sampled, and how often.
    pub config: Samples,
    /// Where readings go.
    pub news: Sender<News>,
    /// Recorded processes.
    pub registry: Arc<Registry>,
    /// The drain's counts.
    pub progress: Arc<Progress>,
    /// Who is shown each reading of all GPUs.
    pub gpus: Option<GpuWatch>,
    /// What programs said.
    pub annotations: Arc<Counts>,
    /// Where code of recorded processes is noted, if stacks of it are taken.
    pub modules: Option<Arc<Modules>>,
}

/// The way of a thread's readings to the drain.
#[derive(Clone)]
struct Outlet(Sender<News>);

impl Outlet {
    /// Sends what was read at one moment; false if nobody takes it any more.
    fn send(&self, at_ns: u64, readings: Readings) -> bool {
        readings
            .into_iter()
            .all(|(name, value)| self.0.send(News::Sample { at_ns, pid: 0, name, value }).is_ok())
    }
}

impl Sampler {
    /// Reads at every interval until told to stop.
    pub fn run(mut self, stop: &AtomicBool) {
        let interval = Duration::from_nanos(self.config.interval.0);
        let outlet = Outlet(self.news.clone());
        if self.config.nvml {
            let (library, outlet) = (self.config.nvml_library.clone(), outlet.clone());
            let mut watch = self.gpus.take().unwrap_or_else(|| Box::new(|_| {}));
            detached("nvml", move || nvml::run(&library, interval, &outlet, &mut watch));
        }
        if !self.config.metrics.is_empty() {
            let (pages, outlet) = (self.config.metrics.clone(), outlet.clone());
            detached("engines", move || engine::run(&pages, interval, &outlet));
        }
        let roots = Roots { proc: Path::new("/proc"), cgroup: Path::new("/sys/fs/cgroup") };
        let mut rhythm = Rhythm::begin();
        while rhythm.wait(stop) {
            rhythm.advance(interval);
            if !outlet.send(clock::boot_ns(), self.turn(roots)) {
                return;
            }
        }
    }

    fn turn(&self, roots: Roots<'_>) -> Readings {
        let mut readings = Readings::default();
        if self.config.host {
            host::read(roots.proc, &mut readings);
        }
        let processes = self.registry.processes();
        if let Some(modules) = &self.modules {
            modules.refresh(&processes);
        }
        if self.config.cgroups {
            let pids: Vec<u32> = processes.iter().map(|p| p.pid).collect();
            cgroup::read(roots, &pids, &mut readings);
        }
        own::read(&self.progress, &self.annotations, &mut readings);
        readings
    }
}

fn detached(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(e) = Builder::new().name(name.into()).spawn(work) {
        journal::warning(&format!("cannot start the {name} thread: {e}; its samples are missing"));
    }
}

/// A file that may be absent: what it says, or nothing.
fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{atomic::Ordering::Relaxed, mpsc::channel},
        thread,
        time::Instant,
    };

    use super::*;
    use crate::config::{Nanos, Samples};

    #[test]
    fn it_samples_at_its_interval_and_ends_at_once_when_told() {
        let (news, found) = channel();
        let config =
            Samples { interval: Nanos(100_000_000), nvml: false, metrics: Vec::new(), ..Samples::default() };
        let (registry, progress) = Default::default();
        let annotations = Arc::default();
        let sampler = Sampler { config, news, registry, progress, gpus: None, annotations, modules: None };
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = thread::spawn(move || sampler.run(&flag));
        let mut times = Vec::new();
        while times.len() < 3 {
            let News::Sample { at_ns, name, .. } = found.recv().unwrap() else { continue };
            if name == "load1" {
                times.push(at_ns);
            }
        }
        assert!(times.windows(2).all(|t| t[1] - t[0] >= 50_000_000), "{times:?}");
        stop.store(true, Relaxed);
        thread.thread().unpark();
        let asked = Instant::now();
        thread.join().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}
