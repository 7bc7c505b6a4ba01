//! What all clients of one server share: which investigation is the current one, and the way to the recorder.

use std::{
    collections::VecDeque,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ingero_format::control::Snapshot;
use tempfile::TempDir;

use super::{investigation::Investigation, refusal::Refusal};
use crate::{client, conversion::convert, error::Error, progress::Progress};

/// Snapshots that clients may have taken in an hour: each costs the recorder room on its disk.
pub const SNAPSHOTS_PER_HOUR: usize = 12;
/// How far back the window reaches that is taken when nobody asked for another.
const FIRST_LAST_NS: u64 = 60_000_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// Where investigations come from.
#[derive(Debug)]
pub enum Origin {
    /// A database that was named: the only one.
    File(PathBuf),
    /// Windows of the running recorder, converted into a folder that only we can read.
    Recorder(TempDir),
}

/// Shared by all clients.
#[derive(Debug)]
pub struct Session {
    /// Socket of the recorder.
    pub socket: PathBuf,
    /// Time that one answer may take.
    pub time: Duration,
    origin: Origin,
    current: Mutex<Option<Arc<Investigation>>>,
    taken: Mutex<VecDeque<Instant>>,
    made: AtomicU64,
}

/// What was recorded is for whoever may ask the recorder, not for everybody on the host.
fn private_folder() -> Result<TempDir, Error> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("ingero-mcp-").permissions(fs::Permissions::from_mode(0o700));
    builder.tempdir().map_err(Error::writing(&std::env::temp_dir()))
}

impl Session {
    /// Opens the database, if one is named; else makes the folder, and asks the recorder when a tool needs it.
    ///
    /// # Errors
    /// If the database cannot be used or the folder not be made.
    pub fn new(db: Option<&Path>, socket: &Path, time: Duration) -> Result<Self, Error> {
        let (origin, current) = match db {
            Some(path) => (Origin::File(path.to_owned()), Some(Arc::new(Investigation::open(path)?))),
            None => (Origin::Recorder(private_folder()?), None),
        };
        let (current, taken) = (Mutex::new(current), Mutex::new(VecDeque::new()));
        Ok(Self { socket: socket.to_owned(), time, origin, current, taken, made: AtomicU64::new(0) })
    }

    /// True if take_snapshot makes its window the current one.
    #[must_use]
    pub fn follows_the_recorder(&self) -> bool {
        matches!(self.origin, Origin::Recorder(_))
    }

    /// The current investigation, if there is one.
    #[must_use]
    pub fn known(&self) -> Option<Arc<Investigation>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Investigation>>> {
        // What it guards is one pointer: whole between statements.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current investigation; without one, a window is frozen first.
    ///
    /// # Errors
    /// If the database is gone or the recorder does not answer.
    pub fn current(&self) -> Result<Arc<Investigation>, Refusal> {
        let known = self.known();
        match (&self.origin, known) {
            (Origin::Recorder(_), Some(known)) => Ok(known),
            (Origin::Recorder(_), None) => self.first(),
            (Origin::File(_), Some(known)) if known.is_current() => Ok(known),
            (Origin::File(path), _) => {
                let fresh = Arc::new(Investigation::open(path)?);
                *self.lock() = Some(Arc::clone(&fresh));
                Ok(fresh)
            }
        }
    }

    /// The window that is frozen because nobody asked for one.
    fn first(&self) -> Result<Arc<Investigation>, Refusal> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waited here finds it made.
        match self.known() {
            Some(known) => Ok(known),
            None => Ok(self.freeze(&mut taken, FIRST_LAST_NS, 0, "mcp: first question")?.1),
        }
    }

    /// Freezes a window and converts it; it becomes the current one unless a database was named.
    ///
    /// # Errors
    /// If the recorder does not answer or refuses, too many were taken, or one is being taken.
    pub fn take(
        &self,
        last_ns: u64,
        after_ns: u64,
        reason: &str,
    ) -> Result<(Snapshot, Arc<Investigation>), Refusal> {
        // Nobody queues up: each would keep one of the places for questions.
        let mut taken = match self.taken.try_lock() {
            Ok(taken) => taken,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let busy = "a snapshot is being taken through this server; ask again when it is there";
                return Err(Refusal::new(busy));
            }
        };
        self.freeze(&mut taken, last_ns, after_ns, reason)
    }

    fn freeze(
        &self,
        taken: &mut VecDeque<Instant>,
        last_ns: u64,
        after_ns: u64,
        reason: &str,
    ) -> Result<(Snapshot, Arc<Investigation>), Refusal> {
        while taken.front().is_some_and(|at| at.elapsed() >= HOUR) {
            taken.pop_front();
        }
        if let Some(first) = taken.front().filter(|_| taken.len() >= SNAPSHOTS_PER_HOUR) {
            let wait = HOUR.saturating_sub(first.elapsed()).as_secs();
            return Err(Refusal::new(format!(
                "{SNAPSHOTS_PER_HOUR} snapshots were taken through this server within the hour; the next one is \
                 possible in {wait} s, or at once with `ingeroctl snapshot`"
            )));
        }
        let snapshot = client::snapshot(&self.socket, last_ns, after_ns, reason, false)?;
        taken.push_back(Instant::now());
        let investigation = Arc::new(self.convert(&snapshot)?);
        if self.follows_the_recorder() {
            *self.lock() = Some(Arc::clone(&investigation));
        }
        Ok((snapshot, investigation))
    }

    fn convert(&self, snapshot: &Snapshot) -> Result<Investigation, Refusal> {
        let other;
        let folder = match &self.origin {
            Origin::Recorder(folder) => folder.path(),
            Origin::File(_) => {
                other = private_folder()?;
                other.path()
            }
        };
        let name = format!("window-{}", self.made.fetch_add(1, Ordering::Relaxed));
        let (bundle, db) = (folder.join(format!("{name}.ingero")), folder.join(format!("{name}.db")));
        client::fetch(&self.socket, &snapshot.id, &bundle)?;
        let converted = convert(std::slice::from_ref(&bundle), &db, true, &Progress::none());
        // The recorder keeps the bundle.
        let _ = fs::remove_file(&bundle);
        converted?;
        Ok(Investigation::own(&db)?)
    }
}
