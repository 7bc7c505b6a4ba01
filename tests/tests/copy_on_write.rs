//! The ring on a copy-on-write file system with no room left. Needs root, a kernel with btrfs, and `mkfs.btrfs`.

use std::path::Path;

use ingero_tests::torture::copy_on_write;

#[test]
fn on_a_full_btrfs_nothing_is_lost_and_with_all_blocks_shared_every_loss_is_told() {
    if let Some(why) = copy_on_write::missing() {
        eprintln!("\n*** NOT RUN: this test needs a loop-mounted btrfs: {why} ***\n");
        return;
    }
    copy_on_write::run(Path::new(env!("CARGO_BIN_EXE_ring-torture"))).unwrap();
}
