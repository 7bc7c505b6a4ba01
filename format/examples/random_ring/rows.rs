//! Rows of all kinds, likely ones and absurd ones.

use ingero_format::{Row, ops::Source, row::origin};

use crate::random::Random;

/// A number of any length, each length as likely as the next.
pub fn any(random: &mut Random) -> u64 {
    let shift = random.below(65);
    random.next().checked_shr(shift as u32).unwrap_or(0)
}

fn absurd(random: &mut Random) -> Row {
    Row {
        end_ns: any(random),
        dur_ns: any(random),
        pid: any(random) as u32,
        tid: any(random) as u32,
        arg0: any(random),
        arg1: any(random),
        origin: any(random),
        op: random.next() as u16,
        flags: random.next() as u16,
        ret: random.next() as i32,
        stack: any(random) as u32,
    }
}

/// Threads and calls that the rows of one segment are drawn from.
pub struct Pool {
    threads: Vec<(u32, u32)>,
    calls: Vec<Row>,
    now_ns: u64,
    next: [u64; 4],
}

impl Pool {
    pub fn new(random: &mut Random) -> Self {
        let most = 1 << random.below(8);
        let threads = (0..=random.below(most)).map(|i| (random.below(50_000) as u32, i as u32)).collect();
        let calls = (0..=random.below(most)).map(|_| absurd(random)).collect();
        Self { threads, calls, now_ns: any(random) >> 3, next: [0; 4] }
    }

    fn likely(&mut self, random: &mut Random) -> Row {
        let (pid, tid) = self.threads[random.below(self.threads.len() as u64) as usize];
        let call = self.calls[random.below(self.calls.len() as u64) as usize];
        self.now_ns = self.now_ns.wrapping_add(any(random) >> 44);
        let cpu = random.below(4) as usize;
        self.next[cpu] += if random.once_in(20) { random.below(9) } else { 1 };
        let dur_ns = any(random) >> random.below(60);
        Row { end_ns: self.now_ns, dur_ns, pid, tid, origin: origin(cpu as u16, self.next[cpu]), ..call }
    }

    // Intervals of up to four CPUs, most of which begin where the one before on their CPU ended.
    fn switches(&mut self, count: u64, random: &mut Random) -> Vec<Row> {
        let mut last_ns = [self.now_ns; 4];
        let cpus = 1 + random.below(4);
        let spread = 1 + (any(random) >> 50);
        let interval = |_| {
            let cpu = random.below(cpus) as usize;
            let row = self.likely(random);
            self.now_ns = self.now_ns.wrapping_add(2_000 + random.below(spread));
            let before_ns = std::mem::replace(&mut last_ns[cpu], self.now_ns);
            let late_ns = if random.once_in(16) { any(random) } else { 0 };
            let dur_ns = self.now_ns.wrapping_sub(before_ns).wrapping_add(late_ns);
            let origin = origin(cpu as u16, row.origin);
            Row { end_ns: self.now_ns, dur_ns, arg0: 600 + random.below(64), origin, ..row }
        };
        (0..count).map(interval).collect()
    }

    /// Rows of one frame.
    pub fn rows(&mut self, random: &mut Random) -> (Source, Vec<Row>) {
        let source = Source::ALL[random.below(4) as usize];
        let most = 1 << random.below(8);
        let count = 1 + random.below(most);
        let style = random.below(8);
        if style == 7 {
            return (Source::Sched, self.switches(64 + count, random));
        }
        let row = |_| match style {
            0 => absurd(random),
            1 => Row { arg0: any(random), ..self.likely(random) },
            _ => self.likely(random),
        };
        (source, (0..count).map(row).collect())
    }
}
