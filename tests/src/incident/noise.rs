//! The recorder made to work hard, and how much of the CPU it took for it.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{Lab, Program, lab::programs, standin};

/// What surrounds a program while its incident is made.
#[derive(Debug, Default)]
pub struct Surroundings {
    children: Vec<Child>,
}

impl Surroundings {
    /// Work of another program on CPU 0, percent of it.
    pub fn load(&mut self, percent: u32) {
        if percent == 0 {
            return;
        }
        let mut command = Command::new(&standin().hog);
        command.args(["--cpu", "0", "--seconds", "60", "--name", "load"]);
        if percent < 100 {
            command.arg("--busy-ms").arg((percent / 5).to_string());
            command.arg("--idle-ms").arg(((100 - percent) / 5).to_string());
        }
        self.start(&mut command);
    }

    /// A program on CPU 0 that makes calls as fast as it can.
    pub fn flood(&mut self) {
        let calls = standin().calls.display().to_string();
        let mut command = Command::new("taskset");
        command.args(["-c", "0", &calls, "--threads", "1", "--per-thread", "4000000"]);
        self.start(&mut command);
    }

    fn start(&mut self, command: &mut Command) {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        self.children.push(quiet.spawn().expect("it starts"));
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Puts every thread of the recorder on some CPUs, `0-1` for all of two.
pub fn place_recorder(lab: &Lab, cpus: &str) {
    let pid = lab.recorder_pid().to_string();
    let output = Command::new("taskset").args(["-a", "-cp", cpus, &pid]).output().expect("taskset");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// CPU time of all threads of the recorder, ns.
pub fn recorder_ns(lab: &Lab) -> i64 {
    let threads = format!("/proc/{}/task", lab.recorder_pid());
    let threads = fs::read_dir(threads).into_iter().flatten().flatten();
    let ns = threads.filter_map(|thread| {
        let account = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        account.split(' ').next()?.parse::<i64>().ok()
    });
    ns.sum()
}

/// Asks for one snapshot after the other while the program says nothing; gives its next line that begins with a word.
pub fn freeze_until(lab: &Lab, program: &mut Program, word: &str, freeze: bool) -> String {
    if !freeze {
        return program.line_with(word);
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // On the other CPU: only the recorder's own work is to be there.
                let socket = lab.path("run/control.sock").display().to_string();
                let ctl = programs().join("ingeroctl").display().to_string();
                let snapshot = ["--socket", &socket, "snapshot", "--last", "2s", "--after", "0s"];
                let _ = Command::new("taskset").args(["-c", "0", &ctl]).args(snapshot).output();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let line = program.line_with(word);
        over.store(true, Ordering::Relaxed);
        line
    })
}
