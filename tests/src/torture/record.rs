//! One line for one run: nobody types figures in.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
    time::Instant,
};

/// What a run showed.
#[derive(Debug)]
pub struct Run {
    begun: Instant,
    /// Figure, as in the table of RELIABILITY.md: `R1`.
    pub figure: &'static str,
    /// What was run.
    pub what: String,
    /// How many.
    pub runs: u64,
    /// First failures, in words.
    pub failures: Vec<String>,
    /// The worst value, if one was measured.
    pub worst: String,
    /// What was to be reached.
    pub gate: &'static str,
}

impl Run {
    /// A run that begins now.
    #[must_use]
    pub fn begin(figure: &'static str, what: impl Into<String>, gate: &'static str) -> Self {
        let (what, begun) = (what.into(), Instant::now());
        Self { begun, figure, what, runs: 0, failures: Vec::new(), worst: "–".into(), gate }
    }

    /// Prints the line, and appends it to the document if asked. Gives whether the gate was reached.
    pub fn end(self, append: bool) -> bool {
        let passed = self.failures.is_empty() && self.runs > 0;
        let line = format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} s | {} |",
            self.figure,
            output("date", &["-u", "+%Y-%m-%d %H:%M"]),
            output("git", &["rev-parse", "--short", "HEAD"]),
            self.what,
            self.runs,
            self.failures.len(),
            self.worst,
            self.gate,
            if passed { "reached" } else { "**missed**" },
            self.begun.elapsed().as_secs(),
            machine()
        );
        println!("{line}");
        for failure in self.failures.iter().take(10) {
            println!("  failed: {failure}");
        }
        if append {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/RELIABILITY.md");
            let file = OpenOptions::new().append(true).open(path);
            writeln!(file.unwrap(), "{line}").unwrap();
        }
        passed
    }
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map_or_else(|_| "?".into(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let temporary = std::env::temp_dir();
    let system = mounts
        .lines()
        .filter_map(|l| {
            let mut words = l.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(at, _)| temporary.starts_with(Path::new(at)))
        .max_by_key(|(at, _)| at.len())
        .map_or("?", |(_, kind)| kind);
    format!("{cpus} virtual CPUs, Linux {}, {system}", kernel.trim())
}
