"""The manifest of a snapshot (FORMAT.md section 12)."""
from __future__ import annotations

from typing import Any, Dict

from .primitives import DecodeError
from .records import PROCESS, BytesOf, ListOf, Record, read_value, record_cursor

VERSION = 1
TRIGGER = Record("Trigger", ("kind", "string"), ("reason", "string"), ("at_ns", "u64"))
ANCHOR = Record("Anchor", ("boot_ns", "u64"), ("real_ns", "u64"), ("uncertainty_ns", "u64"))
HOST = Record(
    "Host", ("name", "string"), ("kernel", "string"), ("machine", "string"), ("cpus", "u32"),
    ("boot_id", BytesOf(16)), ("gpus", ListOf("string")), ("driver", "string"))
SEGMENT_ENTRY = Record("SegmentEntry", ("seq", "u64"), ("bytes", "u64"))
PROBES = Record(
    "LibraryProbes", ("path", "string"), ("inode", "u64"), ("probed", "u32"), ("slow", ListOf("string")),
    ("failed", ListOf("string")))
MANIFEST = Record(
    "Manifest", ("version", "u32"), ("id", "string"), ("triggers", ListOf(TRIGGER)), ("asked_last_ns", "u64"),
    ("asked_after_ns", "u64"), ("from_ns", "u64"), ("to_ns", "u64"), ("anchor", ANCHOR), ("host", HOST),
    ("ring_id", BytesOf(16)), ("segments", ListOf(SEGMENT_ENTRY)), ("processes", ListOf(PROCESS)),
    ("probes", ListOf(PROBES)), ("config_digest", "string"), ("recorder_version", "string"),
    ("notes", ListOf("string")))


def read_manifest(data: bytes) -> Dict[str, Any]:
    """A manifest. A later version's may have more fields after those known here."""
    cursor = record_cursor(data)
    manifest = read_value(cursor, MANIFEST)
    if cursor.left() and manifest["version"] <= VERSION:
        raise DecodeError("manifest: %d bytes left over" % cursor.left())
    return manifest
