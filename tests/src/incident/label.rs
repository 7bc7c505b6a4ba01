//! What a program says was done to it.

use serde_json::{Value, json};

use super::plan::Incident;

/// One cause and what it took. Times are BOOTTIME ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// A cause of the contract.
    pub cause: String,
    /// Begin.
    pub from_ns: i64,
    /// End.
    pub to_ns: i64,
    /// Time taken away.
    pub injected_ns: i64,
    /// Who did it; 0 for nobody.
    pub actor_pid: u32,
    /// The thread of it.
    pub actor_tid: u32,
}

/// What was done to a program, by its own clocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// The one thing, or the two; of a control the time in which nothing was.
    pub parts: Vec<Part>,
    /// How long its main thread waited for a CPU from its steady work on, whoever had it.
    pub run_delay_ns: i64,
    /// CPU time of the recorder meanwhile, where that is on the same CPU.
    pub recorder_ns: i64,
}

fn numbers(words: &str) -> Vec<i64> {
    words.split(' ').filter_map(|word| word.parse().ok()).collect()
}

impl Part {
    /// From what follows its cause in a line: begin, end, ns, pid and tid.
    #[must_use]
    pub fn parse(cause: &str, words: &str) -> Self {
        let n = numbers(words);
        let at = |i: usize| n.get(i).copied().unwrap_or(0);
        Self {
            cause: cause.to_owned(),
            from_ns: at(0),
            to_ns: at(1),
            injected_ns: at(2),
            actor_pid: u32::try_from(at(3)).unwrap_or(0),
            actor_tid: u32::try_from(at(4)).unwrap_or(0),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "cause": self.cause,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "injected_ns": self.injected_ns,
            "actor_pid": self.actor_pid,
            "actor_tid": self.actor_tid,
        })
    }

    fn from_json(kept: &Value) -> Self {
        let id = |key: &str| u32::try_from(number(kept, key)).unwrap_or(0);
        Self {
            cause: kept["cause"].as_str().expect("a cause").to_owned(),
            from_ns: number(kept, "from_ns"),
            to_ns: number(kept, "to_ns"),
            injected_ns: number(kept, "injected_ns"),
            actor_pid: id("actor_pid"),
            actor_tid: id("actor_tid"),
        }
    }
}

fn number(kept: &Value, key: &str) -> i64 {
    kept[key].as_i64().expect("a number")
}

impl Label {
    /// From the line that begins with `label`, and the two that begin with `part`, if there are any.
    #[must_use]
    pub fn parse(cause: &str, parts: &[String], line: &str) -> Self {
        let words = line.split_once(' ').map_or("", |(_, words)| words);
        let part = |line: &String| {
            let (cause, words) = line.strip_prefix("part ")?.split_once(' ')?;
            Some(Part::parse(cause, words))
        };
        let mut parts: Vec<Part> = parts.iter().filter_map(part).collect();
        if parts.is_empty() {
            parts.push(Part::parse(cause, words));
        }
        Self { parts, run_delay_ns: numbers(words).get(5).copied().unwrap_or(0), recorder_ns: 0 }
    }

    /// Time taken away by all causes.
    #[must_use]
    pub fn injected_ns(&self) -> i64 {
        self.parts.iter().map(|p| p.injected_ns).sum()
    }

    /// Of one cause.
    #[must_use]
    pub fn injected_by(&self, cause: &str) -> i64 {
        self.parts.iter().filter(|p| p.cause == cause).map(|p| p.injected_ns).sum()
    }

    /// With what it is the label of.
    #[must_use]
    pub fn to_json(&self, incident: &Incident, pid: u32) -> Value {
        json!({
            "cause": incident.cause,
            "kind": incident.kind,
            "count": incident.count,
            "each_us": incident.each_us,
            "second_us": incident.second_us,
            "threads": incident.threads,
            "load_percent": incident.load_percent,
            "pid": pid,
            "run_delay_ns": self.run_delay_ns,
            "recorder_ns": self.recorder_ns,
            "parts": self.parts.iter().map(Part::to_json).collect::<Vec<_>>(),
        })
    }

    /// As it was kept.
    #[must_use]
    pub fn from_json(kept: &Value) -> Self {
        Self {
            parts: kept["parts"].as_array().expect("parts").iter().map(Part::from_json).collect(),
            run_delay_ns: number(kept, "run_delay_ns"),
            recorder_ns: number(kept, "recorder_ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_to_which_two_things_happened_has_a_part_for_each() {
        let lines = ["part gpu_wait 5 9 3 0 0".to_owned(), "part signal_stop 6 8 1 40 41".to_owned()];
        let label = Label::parse("several", &lines, "label 5 9 4 0 0 77");
        assert_eq!(
            label.parts.iter().map(|p| p.cause.as_str()).collect::<Vec<_>>(),
            ["gpu_wait", "signal_stop"]
        );
        assert_eq!((label.run_delay_ns, label.injected_ns(), label.parts[1].actor_tid), (77, 4, 41));
        let one = Label::parse("gpu_wait", &[], "label 5 9 4 1 2 77");
        assert_eq!(one.parts, [Part::parse("gpu_wait", "5 9 4 1 2")]);
        let kept = one.to_json(&super::super::full(1)[0], 9);
        assert_eq!(Label::from_json(&kept), one);
    }
}
