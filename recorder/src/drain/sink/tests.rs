use std::sync::{Arc, mpsc::sync_channel};

use ingero_format::{
    head::{Geometry, read},
    ops,
};

use super::*;
use crate::{
    ring::{SegmentTable, SlotPool},
    storage::{FileSystem, Storage},
};

// The text was told once for all processes. When its bearer had ended and the ring had turned over, a second process's
// kernel of that name had none: it was seen on an H100, in a bundle whose segments had begun since.
#[test]
fn a_name_that_another_process_bears_again_is_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("head");
    let storage: Arc<dyn Storage> = Arc::new(FileSystem);
    let (geometry, pool) = (Geometry { slots: 3, slot_bytes: 1 << 16 }, SlotPool::new(3));
    let head = HeadWriter::create(storage, &path, geometry, 7, 9, pool, &SegmentTable::default()).unwrap();
    let (seal, _sealed) = sync_channel(8);
    let mut sink = Sink::new(head, seal, None, None, Arc::default());
    let name = b"fused_gate_and_norm";
    sink.handle(100, 0x10, 1, name);
    sink.handle(100, 0x10, 2, name);
    sink.names.forget(100);
    sink.handle(200, 0x20, 3, name);
    let (slots, _) = read(&std::fs::read(&path).unwrap()).unwrap();
    let rows = slots.iter().flat_map(|slot| &slot.rows);
    let told: Vec<_> = rows.map(|row| (row.end_ns, row.op, row.stack)).collect();
    let once = |at| [(at, ops::TEXT_PART, 1), (at, ops::TEXT_PART, 1), (at, ops::HANDLE_NAME, 1)];
    assert_eq!(told, [once(1), once(3)].concat());
}
