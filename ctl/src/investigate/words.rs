//! Findings in sentences.

use super::{case::Case, evidence::Facts};
use crate::time::duration;

/// One sentence: how long, and what stood in the way.
pub(super) fn summary(case: &Case<'_>, facts: &Facts) -> String {
    let time = duration(case.attributed_ns);
    let place = facts.places.first().map_or("", |(op, _)| *op);
    let mainly = match place {
        "gap" => "mostly between calls".to_owned(),
        op => format!("mostly in {op}"),
    };
    let actor = || match facts.actors.as_slice() {
        [] => "a task that was not recorded".to_owned(),
        [(only, _)] => only.clone(),
        [(first, ns), rest @ ..] => {
            let others = if rest.len() == 1 { "other" } else { "others" };
            let of_it = of_it(*ns, case.attributed_ns);
            format!("{first} ({} {of_it}) and {} {others}", duration(*ns), rest.len())
        }
    };
    match case.cause.name {
        "cpu_contention" => format!("wanted to run for {time} while {} had its CPU, {mainly}", actor()),
        "recorder_self" => format!("wanted to run for {time} while a recorder had its CPU, {mainly}"),
        "cpu_throttled" => {
            format!("was kept from running for {time} by the CPU limit of its cgroup, {mainly}")
        }
        "signal_stop" => match facts.actors.first() {
            Some((sender, _)) => format!("was stopped for {time} by a signal of {sender}"),
            None => format!("was stopped for {time} by a signal or debugger"),
        },
        "blocked_lock" => {
            format!("waited {time} for a lock, woken by {}{}, {mainly}", actor(), did(facts))
        }
        "data_starvation" => {
            format!("waited {time} more than usual for work from {}{}", actor(), did(facts))
        }
        "memory_pressure" => {
            let stack = facts.stacks.first().map_or("direct reclaim", |(stack, _)| stack.as_str());
            format!("waited {time} for memory ({stack}), {mainly}")
        }
        "collective_wait" => format!("waited {time} longer than usual for other ranks, {mainly}"),
        "blocked_io" => {
            let stack = facts.stacks.first().map_or("", |(stack, _)| stack.as_str());
            format!("waited {time} for storage ({stack}), {mainly}")
        }
        "first_use" => {
            let names: Vec<&str> = facts.kernels.iter().take(2).map(|(k, _)| k.as_str()).collect();
            let more = facts.kernels.len().saturating_sub(2);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let how = if facts.compilers.is_empty() { "loading" } else { "compiling and loading" };
            format!("spent {time} {how} code used for the first time: {}{more}", names.join(", "))
        }
        "gpu_wait" => format!("waited {time} longer than usual for the GPU, {mainly}"),
        "allocator" => format!("spent {time} more than usual allocating or freeing memory, {mainly}"),
        _ => format!("took {time} more than usual, {mainly}; nothing recorded explains it"),
    }
}

/// What the one waited for did most, if its chain tells more than that it ran.
fn did(facts: &Facts) -> String {
    let Some(first) = facts.chains.first() else { return String::new() };
    let text = |key: &str| first.get(key).and_then(|v| v.as_str()).unwrap_or("");
    let last = first.get("woken_by").and_then(|p| p.as_array()).and_then(|p| p.last());
    match (text("did"), last.and_then(|l| l.as_str())) {
        ("" | "ran" | "waited for something not recorded", _) | (_, None) => String::new(),
        (did, Some(who)) => format!("; {who} {did}"),
    }
}

/// Actors have all that was measured: more than what is attributed if much of it is usual.
fn of_it(ns: i64, attributed_ns: i64) -> &'static str {
    if ns > attributed_ns { "with what is usual" } else { "of it" }
}

/// What to do, most useful first; depends on the cause and its actor.
pub(super) fn advice(case: &Case<'_>, facts: &Facts) -> Vec<String> {
    let actor = facts.actors.first().map_or("the other task", |(actor, _)| actor.as_str());
    match case.cause.name {
        "cpu_contention" if facts.mostly_own_process() => vec![
            format!(
                "Give this thread a CPU that {actor}, of its own process, may not use (sched_setaffinity, taskset)."
            ),
            "Or run fewer threads in this process, or more CPUs for it.".to_owned(),
        ],
        "cpu_contention" => vec![
            format!(
                "Keep {actor} off the CPUs of this thread: cpuset or AllowedCPUs= for its cgroup or unit."
            ),
            "If they must share CPUs, give this process the higher weight (CPUWeight=, nice).".to_owned(),
        ],
        "recorder_self" => {
            vec!["Lower [budget] daemon_percent, or pin the recorder to another CPU.".to_owned()]
        }
        "cpu_throttled" => vec![
            "Raise or remove the CPU limit of its cgroup (cpu.max, CPUQuota=, the container's CPU limit)."
                .to_owned(),
            "If the limit must stay, run fewer threads in the group: they use the same allowance.".to_owned(),
        ],
        "memory_pressure" => vec![
            "Raise memory.high or memory.max of its cgroup, or free memory on the host.".to_owned(),
            "Lock or touch the memory of hot paths once at start (mlock, pre-faulting).".to_owned(),
        ],
        "collective_wait" => vec![
            "Compare the ranks: the one that came last kept the others; convert their bundles together."
                .to_owned(),
        ],
        "data_starvation" => starvation_advice(actor, facts),
        "signal_stop" => vec!["Find who sends SIGSTOP or attaches a debugger to this process.".to_owned()],
        "blocked_lock" => {
            vec![format!("Look at what {actor} does before it releases the lock; shorten or move that work.")]
        }
        "blocked_io" => vec![
            "Read the data before it is needed, from page cache or a faster device.".to_owned(),
            "Look for other load on that device in the same time.".to_owned(),
        ],
        "first_use" if facts.compilers.is_empty() => vec![
            "Run these code paths once at start-up (warm-up), before traffic arrives.".to_owned(),
            "CUDA_MODULE_LOADING=EAGER moves loading to start-up.".to_owned(),
        ],
        "first_use" => vec![
            "Compile ahead of time, or keep the compile cache between restarts.".to_owned(),
            "Run these code paths once at start-up (warm-up), before traffic arrives.".to_owned(),
        ],
        "gpu_wait" => vec![
            "The host did its part: look at the kernels queued before this wait, with a GPU profiler."
                .to_owned(),
        ],
        "allocator" => vec!["Allocate once, or use a caching allocator or a memory pool.".to_owned()],
        _ => vec![
            "Record user stacks ([probes] user_stacks = \"slow\") to see what the thread did.".to_owned(),
        ],
    }
}

fn starvation_advice(actor: &str, facts: &Facts) -> Vec<String> {
    let did = facts.chains.first().and_then(|c| c.get("did")).and_then(|d| d.as_str()).unwrap_or("");
    let first = match did {
        "waited for storage" => format!("{actor} waited for storage: read ahead, or from a faster device."),
        "waited for a CPU" => format!("{actor} lacked a CPU: give it its own, or fewer workers."),
        "slept" => format!("{actor} slept by a timer: look for polling or back-off in it."),
        _ => format!("{actor} was at work: more workers, or less work for each item."),
    };
    vec![first, "Queue more finished work ahead of this thread (prefetch).".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actors_time_is_part_of_the_attributed_only_if_it_is_not_longer() {
        assert_eq!((of_it(915, 1_080), of_it(450, 200)), ("of it", "with what is usual"));
    }
}
