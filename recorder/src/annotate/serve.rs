//! The server: reads, never writes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    time::{Duration, Instant},
};

use ingero_format::segment::Anchor;
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream},
    sync::watch,
};

use super::{Allowance, Counts, Limits, Line, Lines, Refusal, Sender, parse};
use crate::{
    clock, config::AnnotationConfig, journal, limits::ACCEPT_PAUSE, lock::lock, news::News, socket::Socket,
};

/// Connections at once. One more is closed at once: left in the queue it would make a program wait that writes to it.
const MAX_CONNECTIONS: usize = 256;
/// Of these, connections of one process.
const MAX_PER_PROCESS: usize = 16;
/// Rest after a connection that was not served: who asks without end gets few answers.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);
/// How long a connection that flooded keeps its place.
const FLOOD_PAUSE: Duration = Duration::from_secs(1);
/// Change of the distance between the clocks that is followed. What is less comes of reading one after the other: without
/// it, spans that meet still meet.
const CLOCK_JITTER_NS: u64 = 10_000;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

/// Everything that connections share.
pub struct Annotator {
    limits: Mutex<Limits>,
    counts: Arc<Counts>,
    news: Mutex<mpsc::Sender<News>>,
    seats: Mutex<BTreeMap<u32, usize>>,
    clocks: Mutex<Anchor>,
}

impl Annotator {
    /// Sends what it keeps to `news`, and counts.
    #[must_use]
    pub fn new(config: &AnnotationConfig, counts: Arc<Counts>, news: mpsc::Sender<News>) -> Self {
        Self {
            limits: Mutex::new(Limits::new(config, Instant::now())),
            counts,
            news: Mutex::new(news),
            seats: Mutex::default(),
            clocks: Mutex::default(),
        }
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        lock(&self.limits)
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        lock(&self.seats)
    }

    // Both clocks now, at the distance that was used last if it still holds.
    fn clocks(&self) -> Anchor {
        let now = clock::anchor();
        let mut known = lock(&self.clocks);
        let real_ns = clock::to_real(&known, now.boot_ns);
        if real_ns.abs_diff(now.real_ns) > CLOCK_JITTER_NS {
            *known = now;
            return now;
        }
        Anchor { real_ns, ..now }
    }

    fn sit_down(&self, pid: u32) -> bool {
        let mut seats = self.seats();
        let own = seats.get(&pid).copied().unwrap_or(0);
        if own >= MAX_PER_PROCESS || seats.values().sum::<usize>() >= MAX_CONNECTIONS {
            return false;
        }
        seats.insert(pid, own + 1);
        true
    }

    fn stand_up(&self, pid: u32) {
        let mut seats = self.seats();
        if let Some(own) = seats.get_mut(&pid) {
            *own -= 1;
        }
        seats.retain(|_, own| *own > 0);
    }

    // Takes one line: kept, or refused with a reason that is counted. An empty one is none.
    fn line(&self, line: Line<'_>, from: &mut Sender, allowance: &mut Allowance) {
        let kept = match line {
            Line::TooLong => Err(Refusal::TooLong),
            Line::Whole(bytes) if bytes.trim_ascii().is_empty() => return,
            Line::Whole(bytes) => self.keep(bytes, from, allowance, Instant::now()),
        };
        match kept {
            Ok(news) => {
                self.counts.keep();
                let _ = lock(&self.news).send(news);
            }
            Err(why) => self.counts.refuse(why),
        }
    }

    fn keep(
        &self,
        line: &[u8],
        from: &mut Sender,
        allowance: &mut Allowance,
        now: Instant,
    ) -> Result<News, Refusal> {
        let mut limits = self.limits();
        // Cheap before dear: what comes too fast is not even read.
        if !limits.is_open(allowance, now) {
            return Err(Refusal::Rate);
        }
        let said = parse(line)?;
        let clocks = self.clocks();
        let placed = said.when.placed(&clocks)?;
        let pid = from.concerns(said.pid, &mut limits, now)?;
        limits.spend(allowance, said.labels.len(), now)?;
        Ok(News::Annotation {
            told_ns: clocks.boot_ns,
            begin_ns: placed.begin_ns,
            dur_ns: placed.dur_ns,
            pid,
            sender_pid: from.pid,
            sender_uid: from.uid,
            labels: said.labels,
        })
    }

    // Until the client goes away, or sends too much.
    async fn connection(&self, mut stream: UnixStream, from: &mut Sender) -> Result<(), Refusal> {
        let mut allowance = self.limits().connection(Instant::now());
        let mut lines = Lines::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let n = stream.read(&mut buffer).await.unwrap_or(0);
            let Some(bytes) = buffer.get(..n).filter(|bytes| !bytes.is_empty()) else {
                lines.end(|line| self.line(line, from, &mut allowance));
                return Ok(());
            };
            allowance.read(n, Instant::now())?;
            lines.feed(bytes, |line| self.line(line, from, &mut allowance));
        }
    }
}

/// Serves until `stop` changes. Blocks the calling thread.
///
/// # Errors
/// If the runtime cannot be set up.
pub fn serve(
    socket: Socket,
    annotator: Arc<Annotator>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (listener, _file) = socket.into_parts();
    runtime.block_on(async {
        let listener = UnixListener::from_std(listener)?;
        loop {
            let accepted = tokio::select! {
                _ = stop.changed() => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            let served = accepted.and_then(|(stream, _)| Ok((stream.peer_cred()?, stream)));
            let (peer, stream) = match served {
                Ok(served) => served,
                Err(e) => {
                    journal::warning(&format!("annotations: {e}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
            if !annotator.sit_down(pid) {
                annotator.counts.refuse(Refusal::Connections);
                drop(stream);
                tokio::time::sleep(REFUSED_PAUSE).await;
                continue;
            }
            let annotator = Arc::clone(&annotator);
            tokio::spawn(async move {
                let mut from = Sender::new(pid, peer.uid());
                if let Err(why) = annotator.connection(stream, &mut from).await {
                    annotator.counts.refuse(why);
                    tokio::time::sleep(FLOOD_PAUSE).await;
                }
                annotator.stand_up(pid);
            });
        }
    })
}
