//! Who sends, and which processes they may speak for: their own, and those of the same user.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use super::{Limits, Refusal};
use crate::{discover::all_pids, kernel::field};

/// How long an answer about another process holds.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Answers kept for each connection; an engine has some workers.
const MAX_KNOWN: usize = 16;

/// The other end of a connection, as the kernel says (`SO_PEERCRED`, unix(7)).
#[derive(Debug)]
pub struct Sender {
    /// Process; 0 if it is not seen from here.
    pub pid: u32,
    /// Effective user when it connected.
    pub uid: u32,
    known: Vec<(u32, Instant, Result<u32, Refusal>)>,
}

/// What `/proc/PID/status` says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Status {
    /// Process, of a thread that of its process.
    pid: u32,
    /// Effective user.
    uid: u32,
    /// Its number in each namespace it is in, from the recorder's inwards.
    numbers: Vec<u32>,
}

impl Sender {
    /// From the socket's credentials.
    #[must_use]
    pub fn new(pid: u32, uid: u32) -> Self {
        Self { pid, uid, known: Vec::new() }
    }

    /// The process that a line is about, by the number that it has for the recorder; 0 for the host. Who says nothing
    /// means itself.
    ///
    /// # Errors
    /// [`Refusal::Process`] if there is no such process, or it is another user's and the sender is not root;
    /// [`Refusal::Rate`] if too many were asked for.
    pub fn concerns(
        &mut self,
        named: Option<u32>,
        limits: &mut Limits,
        now: Instant,
    ) -> Result<u32, Refusal> {
        let named = match named {
            None => return Ok(self.pid),
            Some(0) => return Ok(0),
            Some(named) => named,
        };
        self.known.retain(|(_, at, _)| now.saturating_duration_since(*at) < KNOWN_FOR);
        if let Some((.., answer)) = self.known.iter().find(|(of, ..)| *of == named) {
            return *answer;
        }
        limits.look(now)?;
        let answer = self.look(Path::new("/proc"), named, all_pids);
        if self.known.len() < MAX_KNOWN {
            self.known.push((named, now, answer));
        }
        answer
    }

    // In a container a process knows the others by other numbers than the recorder.
    fn look<I: Iterator<Item = u32>>(
        &self,
        proc: &Path,
        named: u32,
        all: impl FnOnce() -> I,
    ) -> Result<u32, Refusal> {
        let own = status(proc, self.pid);
        let inside = own.as_ref().is_some_and(|own| own.numbers.len() > 1);
        let of = match &own {
            Some(own) if own.numbers.last() == Some(&named) => return Ok(self.pid),
            Some(own) if inside => self.neighbour(proc, own, named, all()),
            _ => status(proc, named),
        };
        of.filter(|of| self.uid == 0 || of.uid == self.uid).map(|of| of.pid).ok_or(Refusal::Process)
    }

    fn neighbour(
        &self,
        proc: &Path,
        own: &Status,
        named: u32,
        all: impl Iterator<Item = u32>,
    ) -> Option<Status> {
        let home = namespace(proc, self.pid)?;
        let fits = |of: &Status| of.numbers.len() == own.numbers.len() && of.numbers.last() == Some(&named);
        all.filter_map(|pid| status(proc, pid))
            .find(|of| fits(of) && namespace(proc, of.pid).as_ref() == Some(&home))
    }
}

fn namespace(proc: &Path, pid: u32) -> Option<std::path::PathBuf> {
    fs::read_link(proc.join(format!("{pid}/ns/pid"))).ok()
}

fn status(proc: &Path, pid: u32) -> Option<Status> {
    let text = fs::read_to_string(proc.join(format!("{pid}/status"))).ok()?;
    let words = |key: &str| field(&text, key).map(str::split_whitespace);
    Some(Status {
        pid: words("Tgid")?.next()?.parse().ok()?,
        uid: words("Uid")?.nth(1)?.parse().ok()?,
        numbers: words("NSpid")?.filter_map(|number| number.parse().ok()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;
    use crate::config::AnnotationConfig;

    // Processes by number: user, numbers in namespaces, namespace.
    fn host(processes: &[(u32, u32, &str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (pid, uid, numbers, namespace) in processes {
            let at = folder.path().join(pid.to_string());
            fs::create_dir_all(at.join("ns")).unwrap();
            let text =
                format!("Name:\tx\nTgid:\t{pid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nNSpid:\t{numbers}\n");
            fs::write(at.join("status"), text).unwrap();
            symlink(namespace, at.join("ns/pid")).unwrap();
        }
        folder
    }

    #[test]
    fn a_user_may_speak_for_the_own_processes_and_root_for_all() {
        let host = host(&[(10, 1000, "10", "A"), (11, 1000, "11", "A"), (12, 0, "12", "A")]);
        let look = |uid, named| Sender::new(10, uid).look(host.path(), named, || [10, 11, 12].into_iter());
        assert_eq!([look(1000, 10), look(1000, 11)], [Ok(10), Ok(11)]);
        assert_eq!([look(1000, 12), look(1000, 99)], [Err(Refusal::Process); 2]);
        assert_eq!([look(0, 12), look(0, 99)], [Ok(12), Err(Refusal::Process)]);
    }

    #[test]
    fn in_a_container_a_number_means_what_it_means_there() {
        let host = host(&[
            (1, 0, "1", "A"),
            (500, 1000, "500 1", "B"),
            (501, 1000, "501 7", "B"),
            (600, 1000, "600 7", "C"),
        ]);
        let look = |named| Sender::new(500, 1000).look(host.path(), named, || [1, 600, 500, 501].into_iter());
        assert_eq!([look(1), look(7)], [Ok(500), Ok(501)]);
        assert_eq!([look(501), look(600)], [Err(Refusal::Process); 2], "these are numbers of the host");
    }

    #[test]
    fn who_names_nobody_means_itself_and_answers_are_kept_a_while() {
        let now = Instant::now();
        let mut limits = Limits::new(&AnnotationConfig::default(), now);
        let me = std::process::id();
        let mut sender = Sender::new(me, nix::unistd::geteuid().as_raw());
        assert_eq!(sender.concerns(None, &mut limits, now), Ok(me));
        assert_eq!(sender.concerns(Some(0), &mut limits, now), Ok(0));
        assert!(
            (0..1_000).all(|_| sender.concerns(Some(me), &mut limits, now) == Ok(me)),
            "one look is enough"
        );
        let many: Vec<_> =
            (0..100).map(|i| sender.concerns(Some(4_000_000_000 + i), &mut limits, now)).collect();
        assert!(many.contains(&Err(Refusal::Process)) && many.last() == Some(&Err(Refusal::Rate)));
    }
}
