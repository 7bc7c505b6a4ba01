//! Files with one lie each: every reader ends with a reason or a partial result, in little memory and time.

use std::collections::BTreeSet;

use ingero_tests::torture::lies::{Lie, all, hear, memory::Counting, programs};

#[global_allocator]
static COUNTING: Counting = Counting;

// One test: what is allocated is counted for the whole process.
#[test]
fn every_lying_file_ends_in_a_reason_within_little_memory_and_time() {
    let lies = all();
    let names: BTreeSet<(String, &String)> =
        lies.iter().map(|l| (format!("{:?}", l.kind), &l.name)).collect();
    assert!(names.len() == lies.len() && lies.len() >= 200, "{} names, {} files", names.len(), lies.len());
    let heard = |lie: &Lie| hear(lie).err().map(|e| format!("{:?} {}: {e}", lie.kind, lie.name));
    let failed: Vec<String> = lies.iter().filter_map(heard).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), lies.len(), failed.join("\n"));

    programs::self_check();
    // On every processor, each a process of its own: some of them without optimisation. `ring-torture lies` has all.
    let step = if cfg!(debug_assertions) { 4 } else { 1 };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let failed: Vec<String> = std::thread::scope(|scope| {
        let lies = &lies;
        let part = |worker| {
            move || {
                let mine = lies.iter().step_by(step).skip(worker).step_by(workers);
                mine.filter_map(|l| programs::hear(l).err().map(|e| format!("{:?} {}: {e}", l.kind, l.name)))
                    .collect()
            }
        };
        let parts: Vec<_> = (0..workers).map(|worker| scope.spawn(part(worker))).collect();
        parts
            .into_iter()
            .flat_map(|part: std::thread::ScopedJoinHandle<'_, Vec<String>>| part.join().unwrap())
            .collect()
    });
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), lies.len(), failed.join("\n"));
}
