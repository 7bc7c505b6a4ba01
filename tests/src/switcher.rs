//! A thread that sleeps and works beside a hog, and what the recorder saw of its time off the CPU.

use crate::{Lab, Program, standin};

/// Both sides, ns.
#[derive(Debug, Default)]
pub struct OffCpu {
    /// Time between the two readings of schedstat.
    pub wall_ns: u64,
    /// Run-queue delay that the kernel's schedstat counted.
    pub run_delay_ns: u64,
    /// Time not on the CPU and not in the run queue: asleep.
    pub slept_ns: u64,
    /// Sum of recorded intervals.
    pub recorded_ns: u64,
    /// Sum of their run-queue delays.
    pub recorded_runqueue_ns: u64,
    /// Recorded intervals.
    pub intervals: u64,
    /// Share of the preemptions and delays where the hog is named.
    pub hog_named: f64,
}

impl OffCpu {
    /// Run-queue delay plus sleeps, as the kernel accounts them.
    pub fn truth_ns(&self) -> u64 {
        self.run_delay_ns + self.slept_ns
    }

    /// How far the recorder is off, as a share.
    pub fn error(&self) -> f64 {
        (self.recorded_ns as f64 - self.truth_ns() as f64).abs() / self.truth_ns() as f64
    }
}

fn schedstat(line: &str) -> [u64; 3] {
    let numbers: Vec<u64> = line.split_whitespace().skip(1).map(|w| w.parse().unwrap()).collect();
    [numbers[0], numbers[1], numbers[2]]
}

/// Runs the switcher for `seconds` beside a hog on one CPU.
pub fn measure(lab: &Lab, seconds: u32) -> OffCpu {
    let cpu = std::thread::available_parallelism().unwrap().get() - 1;
    let (cpu, seconds_text) = (cpu.to_string(), seconds.to_string());
    let args = ["--cpu", &cpu, "--seconds", &seconds_text, "--cuda", "--batch", "--start-on-stdin"];
    let mut program = Program::start(&standin().switcher, args);
    program.line_with("READY");
    let pid = program.pid();
    lab.until_covered(pid);
    let hog_seconds = (seconds + 5).to_string();
    let _hog =
        Program::start(&standin().hog, ["--cpu", &cpu, "--seconds", &hog_seconds, "--name", "neighbour"]);
    program.say("go");
    let first = schedstat(&program.line_with("schedstat"));
    let last = schedstat(&program.line_with("schedstat"));
    let db = lab.window(&format!("switcher-{pid}"), &format!("{}s", seconds + 5));
    program.finish();

    // Unix time of the two readings, by the bundle's one offset.
    let offset: i64 = db
        .query_row("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'clock_offset_ns'", [], |r| r.get(0))
        .unwrap();
    let [from, to] = [first[0], last[0]].map(|ns| ns.cast_signed() + offset);
    let sql = "SELECT sum(min(ts_ns + dur_ns, ?3) - max(ts_ns, ?2)), sum(runqueue_ns), count(*), \
               avg(CASE WHEN runqueue_ns > 100000 THEN preemptor_comm = 'neighbour' END) \
               FROM off_cpu WHERE tid = ?1 AND ts_ns + dur_ns > ?2 AND ts_ns < ?3";
    let row = db.query_row(sql, (pid, from, to), |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?, r.get::<_, Option<f64>>(3)?))
    });
    let (recorded, runqueue, intervals, named) = row.unwrap();
    let (wall_ns, on_cpu, run_delay_ns) = (last[0] - first[0], last[1] - first[1], last[2] - first[2]);
    OffCpu {
        wall_ns,
        run_delay_ns,
        slept_ns: wall_ns - on_cpu - run_delay_ns,
        recorded_ns: recorded.cast_unsigned(),
        recorded_runqueue_ns: runqueue.cast_unsigned(),
        intervals: intervals.cast_unsigned(),
        hog_named: named.unwrap_or(0.0),
    }
}
