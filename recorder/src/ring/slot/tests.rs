//! Every moment at which a kill may come, and every order in which a machine may let others see the stores.

use ingero_format::head::read_slot;

use super::recorded::History;

// What is in hand after a kill: rows published of the use in force, nothing torn, nothing of another use.
fn assert_kept(history: &History, image: &[u8], promised: Option<(u64, usize)>) {
    let slot = read_slot(image).expect("no kill leaves damage");
    if let Some(slot) = &slot {
        assert_eq!(slot.torn, 0, "a counted row is whole: {slot:?}");
        history.assert_true(slot.generation, &slot.rows);
    }
    if let Some((generation, rows)) = promised {
        let slot = slot.expect("published rows are there");
        assert_eq!(slot.generation, generation);
        assert!(slot.rows.len() >= rows, "{} of {rows}", slot.rows.len());
    }
}

#[test]
fn whichever_store_is_the_last_before_a_kill_published_rows_are_whole_and_nothing_else_is_read() {
    let history = History::of(0, 4, 3);
    let stores = history.memory.stores.len();
    assert!(stores > 4 * 3 * 3, "{stores} stores");
    for done in 0..=stores {
        let image = history.memory.image(|i| i < done);
        let promised = history.promised(done).map(|(this, rows)| (this.generation, rows));
        assert_kept(&history, &image, promised);
    }
}

// A store is seen after those before a release store that is it, and after those before a `settle`; else in any order.
#[test]
fn in_whatever_order_a_machine_shows_the_stores_no_count_stands_beside_rows_that_are_not_there() {
    let history = History::of(0, 3, 3);
    let stores = &history.memory.stores;
    let mut seen_sets = 0_u64;
    for frontier in 0..=stores.len() {
        // All up to here is seen: the last of it is a release store, or something behind it is seen after it.
        let released = frontier.checked_sub(1).and_then(|i| stores.get(i)).is_some_and(|last| last.release);
        if !released && !stores.iter().any(|later| later.settled == frontier) {
            continue;
        }
        let floating: Vec<usize> = (frontier..stores.len())
            .filter(|i| !stores[*i].release && stores[*i].settled <= frontier)
            .collect();
        assert!(floating.len() <= 20, "too many orders to try them all");
        for choice in 0..1_u32 << floating.len() {
            let seen = |i: usize| {
                i < frontier
                    || floating.iter().position(|f| *f == i).is_some_and(|bit| choice >> bit & 1 == 1)
            };
            let image = history.memory.image(seen);
            let promised = history.promised(frontier).map(|(this, rows)| (this.generation, rows));
            assert_kept(&history, &image, promised);
            seen_sets += 1;
        }
    }
    assert!(seen_sets > 1_000, "{seen_sets} sets");
}
