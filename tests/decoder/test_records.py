"""Records and bundles of FORMAT.md.

Run: `python3 tests/decoder/test_records.py`.
"""
from __future__ import annotations

import os
import struct
import sys
import unittest

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from decoder.vectors import SECTION_18, hexed, sealed, segment_header  # noqa: E402

from decoder import bundle, checksums, records, state  # noqa: E402
from decoder.manifest import read_manifest  # noqa: E402
from decoder.primitives import DecodeError  # noqa: E402


class RecordVectors(unittest.TestCase):
    """Sections 8, 9, 12, 13."""

    def test_choice(self) -> None:
        kind = records.ChoiceOf({1: records.Record(
            "one", ("a", "string"), ("b", records.ListOf("u16")), ("c", records.OptionOf("u32")), ("d", "u8"))})
        data = hexed("01 00 00 00  02 00 00 00 00 00 00 00 61 62  01 00 00 00 00 00 00 00 02 01  01 03 00 00 00  01")
        self.assertEqual(records.read_record(data, kind), ("one", {"a": "ab", "b": [0x102], "c": 3, "d": 1}))
        for bad in (data + b"\0", data[:-1], b"\x02" + data[1:]):
            with self.assertRaises(DecodeError):
                records.read_record(bad, kind)

    def test_longest_record(self) -> None:
        longest = (1 << 24) - 8
        data = struct.pack("<Q", longest) + bytes(longest)
        self.assertEqual(len(records.read_record(data, "string")), longest)
        with self.assertRaises(DecodeError):
            records.read_record(struct.pack("<Q", longest + 1) + bytes(longest + 1), "string")
        self.assertEqual((records.smallest(state.HANDLE), records.smallest(state.STACK)), (20, 12))

    def test_lists_are_checked_first(self) -> None:
        with self.assertRaises(DecodeError):
            records.read_record(b"\xff" * 8, records.ListOf("u64"))

    def test_state_sections(self) -> None:
        twice = struct.pack("<HHI", 9, 0, 0) * 2
        with self.assertRaises(DecodeError):
            state.read_state(twice)
        for bad in (b"\x09", struct.pack("<HHI", 9, 0, 1)):
            with self.assertRaises(DecodeError):
                state.read_state(bad)
        self.assertEqual(state.read_state(b"")["tasks"], [])

    def test_empty_manifest_is_200_bytes(self) -> None:
        manifest = read_manifest(struct.pack("<I", 1) + bytes(196))
        self.assertEqual(manifest["segments"], [])
        with self.assertRaises(DecodeError):
            read_manifest(struct.pack("<I", 1) + bytes(197))
        self.assertEqual(read_manifest(struct.pack("<I", 2) + bytes(197))["version"], 2)
        with self.assertRaises(DecodeError):
            read_manifest(struct.pack("<I", 1) + bytes(195))

    def test_symbols(self) -> None:
        data = hexed("01 00 00 00 00 00 00 00  10 00 00 81 ff ff ff ff 08 00 00 00 00 00 00 00"
                     "73 63 68 65 64 75 6c 65  10 00 00 00 00 00 00 00")
        self.assertEqual(records.read_record(data, bundle.SYMBOL_LIST), [(0xFFFFFFFF81000010, "schedule", 0x10)])


class BundleVectors(unittest.TestCase):
    """Section 13."""

    FILE = hexed("89 49 4e 47 45 52 4f 0a  01 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 42 43 af 3d")
    END = hexed("49 4e 47 4d 07 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 90 9b af 5e")

    def member(self, kind: int, number: int, payload: bytes, spoil: int = 0) -> bytes:
        """A member with its checks."""
        crc = 0 if kind == bundle.SEGMENT else checksums.crc32c_table(payload) ^ spoil
        begin = struct.pack("<4sHHQQI", b"INGM", kind, 0, number, len(payload), crc)
        return sealed(begin, 32) + payload + bytes(-len(payload) % 8)

    def test_end(self) -> None:
        found = bundle.read_bundle(self.FILE + self.END)
        self.assertEqual((found.complete, found.damages), (True, []))

    def test_member_headers(self) -> None:
        manifest = struct.pack("<I", 1) + bytes(196)
        self.assertEqual(self.member(1, 0, manifest)[:32], hexed(
            "49 4e 47 4d 01 00 00 00  00 00 00 00 00 00 00 00  c8 00 00 00 00 00 00 00  57 f4 05 ea 85 02 f2 23"))
        self.assertEqual(self.member(2, 5, bytes(4096))[:32], hexed(
            "49 4e 47 4d 02 00 00 00  05 00 00 00 00 00 00 00  00 10 00 00 00 00 00 00  00 00 00 00 e4 2a db b1"))

    def test_members_and_cuts(self) -> None:
        manifest = struct.pack("<I", 1) + bytes(196)
        piece = segment_header() + SECTION_18
        whole = (self.FILE + self.member(1, 0, manifest) + self.member(2, 5, piece) + self.member(99, 1, b"later")
                 + self.member(1, 0, b"spoilt", 1) + self.END)
        found = bundle.read_bundle(whole)
        self.assertTrue(found.complete)
        self.assertEqual([m.kind for m in found.members], [1, 2, 99, 1, 7])
        self.assertEqual(len(found.damages), 1)
        self.assertEqual(len(found.members[1].content.contents[0].rows), 4)
        for cut in range(len(whole)):
            self.assertFalse(bundle.read_bundle(whole[:cut]).complete)


if __name__ == "__main__":
    unittest.main()
