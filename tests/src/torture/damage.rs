//! Damage done on purpose to a small ring, its manifest and its bundle, and what a reader makes of it.
//!
//! | module | part |
//! |---|---|
//! | [`specimen`] | an undamaged ring with its bundle, and where in it what lies |
//! | [`seen`] | what a reader finds, and whether it says that something is wrong |
//! | [`cut`] | R2: every file cut at every byte; every subset of the last sectors and pages not written |
//! | [`flip`] | R3: every bit, and random bits together |
//! | [`verify`] | the same files through `ingeroctl verify` |
//!
//! What should be found follows from the undamaged bytes and the offsets of their frames, never from the reader
//! under test.

pub mod cut;
pub mod flip;
pub mod seen;
pub mod specimen;
pub mod verify;

use self::specimen::Specimen;
use super::record::Run;

/// What a pass over many damages came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Damages done.
    pub runs: u64,
    /// Of these, how many a reader said something about.
    pub reported: u64,
    /// Of these, how many changed nothing that is read.
    pub harmless: u64,
    /// Most events lost by one of them.
    pub worst: usize,
    /// Broken promises, in words.
    pub failures: Vec<String>,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.reported += other.reported;
        self.harmless += other.harmless;
        self.worst = self.worst.max(other.worst);
        self.failures.extend(other.failures);
        self
    }

    /// One damage more: where, what it cost, or which promise it broke.
    fn count(&mut self, place: impl FnOnce() -> String, judged: Result<Judged, String>) {
        self.runs += 1;
        match judged {
            Ok(judged) => {
                self.reported += u64::from(judged.reported);
                self.harmless += u64::from(judged.harmless);
                self.worst = self.worst.max(judged.lost);
            }
            // A broken reader breaks everything: a few cases are enough to find out why.
            Err(e) if self.failures.len() < 20 => self.failures.push(format!("{}: {e}", place())),
            Err(_) => {}
        }
    }

    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { reported, harmless, worst, .. } = self;
        format!("{reported} reported, {harmless} harmless, {worst} events lost at most")
    }
}

/// What one damage cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    reported: bool,
    harmless: bool,
    lost: usize,
}

/// R2: every byte of a ring with segments of 16 KiB, every subset of the last sectors and pages of one with 64 KiB.
#[must_use]
pub fn cut_run() -> Run {
    let what = "ring, bundle, MANIFEST, RING cut at every byte; every subset of the last 8 sectors and pages";
    let mut run = Run::begin("R2", what, "exactly what is whole; 0 panics");
    let tally = cut::every_cut(&Specimen::new(2, 16 << 10), 1);
    let tally = (3..6).fold(tally, |all, seed| all.and(cut::every_subset(&Specimen::new(seed, 64 << 10))));
    finish(&mut run, tally.and(verify::sample(&Specimen::new(2, 16 << 10), 300, 2)));
    run
}

/// R3: every bit of a ring of about 64 KiB, of its bundle, MANIFEST and RING, and so many random ones together; or only
/// these, and only of files of one name.
#[must_use]
pub fn flip_run(random: u64, name: Option<&str>) -> Run {
    let what = match name {
        None => format!("every bit of ring, bundle, MANIFEST, RING; {random} times 2 to 16 bits"),
        Some(name) => format!("{random} times 2 to 16 bits of {name}"),
    };
    let mut run = Run::begin("R3", what, "told or harmless; at most what was hit is lost");
    let specimen = Specimen::new(1, 8 << 10);
    let mut tally = flip::random_bits(&specimen, random, 7, name);
    if name.is_none() {
        tally = tally.and(flip::every_bit(&specimen, 1)).and(verify::sample(&specimen, 300, 3));
    }
    finish(&mut run, tally);
    run
}

fn finish(run: &mut Run, tally: Tally) {
    (run.runs, run.worst) = (tally.runs, tally.words());
    run.failures = tally.failures;
}

/// Runs one share of the work on each processor.
pub fn shared_out(work: impl Fn(usize, usize) -> Tally + Sync) -> Tally {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let work = &work;
        let parts: Vec<_> = (0..workers).map(|i| scope.spawn(move || work(i, workers))).collect();
        let broken = |_| Tally { failures: vec!["a reader panicked".into()], ..Tally::default() };
        parts.into_iter().map(|part| part.join().unwrap_or_else(broken)).fold(Tally::default(), Tally::and)
    })
}
