"""A ring put together by hand: doubles, names, losses, accounts, chain (FORMAT.md sections 1, 4, 10, 14).

Run: `python3 tests/decoder/test_ring.py`.
"""
from __future__ import annotations

import os
import random
import struct
import sys
import tempfile
import unittest
from typing import Any, Dict, List, Sequence, Tuple

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from decoder import checksums, dump, footer, head, meta, ring, rows  # noqa: E402
from decoder.files import read_bytes, read_path  # noqa: E402
from decoder import test_segments  # noqa: E402
from decoder.vectors import SECTION_18, events_frame, hexed, put_frame, record_frame, sealed, segment_header  # noqa: E402

RowFields = Tuple[int, ...]


def put_row(generation: int, fields: RowFields) -> bytes:
    """A row with its check."""
    raw = rows.ROW.pack(*fields, 0)[:60]
    return raw + struct.pack("<I", checksums.crc32c_table(struct.pack("<Q", generation) + raw))


def put_slot(generation: int, source: int, events: Sequence[RowFields], size: int = 4096) -> bytes:
    """A head slot of epoch 3."""
    raw = sealed(struct.pack("<QQB", generation, 3, source), 32) + struct.pack("<Q24x", len(events))
    return (raw + b"".join(put_row(generation, event) for event in events)).ljust(size, b"\0")


def text(value: bytes) -> Tuple[int, int]:
    """Two values out of 16 bytes."""
    return struct.unpack("<QQ", value.ljust(16, b"\0"))


RECORDER = 65535 << 48
META_ROWS = [
    (10, 0, 10, 11) + text(b"loop") + (RECORDER, meta.TASK_NAME, 0, 0, 0),
    (10, 0, 0, 0, 0xFF01, 0xFF02, RECORDER | 1, meta.STACK_PART, 2, 0, 14),
    (10, 0, 0, 0, 0xFF03, 0, RECORDER | 2, meta.STACK_PART, 2, 1, 14),
    (10, 0, 0, 0) + text(b"a kernel with a ") + (RECORDER | 3, meta.TEXT_PART, 2, 0, 6),
    (10, 0, 0, 0) + text(b"long name") + (RECORDER | 4, meta.TEXT_PART, 2, 1, 6),
    (12, 0, 10, 0, 0x70, 0, RECORDER | 5, meta.HANDLE_NAME, 0, 0, 6),
    (20, 4, 0, 1, 2, 7, RECORDER | 6, meta.LOSS, 0, 1, 0),
    (20, 0, 0, 65535, 0, 0, RECORDER | 7, meta.LOSS, 1, 7, 0),
    (21, 0, 0, 65535, 9, 0, RECORDER | 8, meta.LOSS, 2, 6, 0),
    (30, 0, 0, 0, 1_000, 5, RECORDER | 9, meta.ANCHOR, 0, 0, 0),
    (30, 0, 10, 0, 3, 77, RECORDER | 10, meta.COVERED, 0, 0, 0),
    (40, 0, 0, 0) + text(b'{"step":"42"}') + (RECORDER | 11, meta.TEXT_PART, 1, 0, 7),
    (40, 0, 10, 12, 25, 5, RECORDER | 12, meta.ANNOTATION, 0, -2, 7),
    (41, 0, 0, 12, 41, 0, RECORDER | 13, meta.ANNOTATION, 0, 0, 8),
]


class Ring(unittest.TestCase):
    """Two segments and a head."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        account = struct.pack("<HBQQ", 0, 0, 4, 1) + struct.pack("<HBQQ", 1, 0, 5, 0)
        self.first = segment_header(5) + record_frame(
            3, 0, struct.pack("<HHIQ", 1, 0, 46, 2) + account) + SECTION_18
        chain = 0
        for frame in (self.first[256:-272], SECTION_18):
            chain = footer.next_link(chain, frame)
        self.chain = chain
        account = struct.pack("<HBQQ", 0, 0, 6, 1) + struct.pack("<HBQQ", 1, 0, 7, 0)
        self.second = segment_header(6, chain=chain) + record_frame(
            3, 0, struct.pack("<HHIQ", 1, 0, 46, 2) + account)
        page = sealed(struct.pack("<8sHHII", head.MAGIC, 1, 0, 4, 4096), 4096)
        event = (2_000_000, 5, 10, 11, 0, 0, 1 << 48 | 9, 0x100, 0, 0, 0)
        last = event[:6] + (1 << 48 | 10,) + event[7:]
        self.head = (page + put_slot(7, 0, test_segments.SegmentVectors.ROWS) + bytes(4096) + put_slot(8, 0, [event, last])
                     + put_slot(9, 3, META_ROWS))

    def put(self, name: str, data: bytes) -> None:
        """Writes a file of the ring."""
        with open(os.path.join(self.folder.name, name), "wb") as file:
            file.write(data)

    def read(self) -> ring.Whole:
        """Writes the ring and reads it as a whole."""
        self.put("00000000000000000005.seg", self.first + bytes(512))
        self.put("00000000000000000006.seg", self.second)
        self.put("head", self.head)
        self.put("next.seg", bytes(512))
        return read_path(self.folder.name).whole

    def test_doubles_and_accounts(self) -> None:
        whole = self.read()
        self.assertEqual(whole.damages, [])
        self.assertEqual(whole.notes + whole.accounts.notes, [])
        self.assertEqual(whole.skipped_slots, [0])
        self.assertEqual(sum(len(batch.rows) for batch in whole.batches), 4 + 2 + len(META_ROWS))
        lanes = {lane: (a.issued, a.evicted, a.rows, a.lost, a.balance()) for lane, a in whole.accounts.lanes.items()}
        self.assertEqual(lanes, {(3, 0, 0): (7, 5, 2, 0, 0), (3, 1, 0): (11, 5, 4, 2, 0)})
        self.assertEqual(whole.accounts.unattributed, {(3, 2): 9})
        self.assertEqual(whole.accounts.unknown_counts, {(3, 1): 1})

    def test_names(self) -> None:
        found = self.read().meta[3]
        self.assertEqual(found.tasks, {(10, 11): {10: "loop"}})
        self.assertEqual(found.stacks(), {14: [0xFF01, 0xFF02, 0xFF03]})
        self.assertEqual(found.handles(), {(10, 0x70): {12: "a kernel with a long name"}})
        self.assertEqual(found.anchors, [(30, 1_000, 5)])
        self.assertEqual(found.annotations(), [
            (40, 25, 5, 10, 12, 0xFFFFFFFE, '{"step":"42"}'), (41, 41, 0, 0, 12, 0, None)])
        self.assertEqual(found.covered, [(30, 10, 3, 77)])
        self.assertEqual(found.incomplete(), 0)

    def test_a_change_is_seen(self) -> None:
        self.second = segment_header(6, chain=self.chain ^ 1) + self.second[256:]
        self.assertTrue(any("tampered" in note for note in self.read().notes))

    def test_a_missing_row_is_seen(self) -> None:
        slot = bytearray(self.head)
        slot[4096 + 2 * 4096 + 64] ^= 1
        self.head = bytes(slot)
        whole = self.read()
        self.assertEqual(whole.accounts.lanes[(3, 1, 0)].balance(), 1)
        self.assertEqual(len(whole.damages), 1)

    def test_nothing_makes_it_fail(self) -> None:
        chance = random.Random(1)
        for kind, data in (("segment", self.first), ("head", self.head), ("segment", self.second)):
            for _ in range(300):
                spoilt = bytearray(data)
                for _ in range(chance.randint(1, 4)):
                    spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
                read_bytes(kind, bytes(spoilt[:chance.randint(0, len(spoilt))]))

    def test_nothing_inside_a_good_frame_makes_it_fail(self) -> None:
        """Spoilt contents behind checksums that are right."""
        chance = random.Random(2)
        payload, block = SECTION_18[128:262], SECTION_18[208:252]
        for _ in range(1500):
            spoilt = bytearray(payload)
            for _ in range(chance.randint(1, 3)):
                spoilt[chance.randrange(len(spoilt))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
            frame = put_frame(1, 1, 1, 35, bytes(spoilt), events=4, sources=1)
            read_bytes("segment", segment_header() + frame)
        raw = checksums.unzstd(block, 35, 35)
        for kind, data in ((2, test_segments.DictionaryVectors.DICTIONARY), (3, test_segments.SegmentVectors.STATE),
                           (4, bytes(8) + raw + test_segments.DictionaryVectors.DICTIONARY)):
            for _ in range(500):
                spoilt = bytearray(data)
                spoilt[chance.randrange(len(spoilt))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
                read_bytes("segment", segment_header() + record_frame(kind, 1, bytes(spoilt)))


class Copies(unittest.TestCase):
    """Which copy of a slot's rows counts (section 1)."""

    ENTRIES = record_frame(2, 1, hexed("05 00 01  0a 0b"))

    def counted(self, *segments: bytes, slots: bytes = b"") -> Dict[str, Any]:
        """Reads a ring of these segments and slots."""
        with tempfile.TemporaryDirectory() as folder:
            for number, data in enumerate(segments, 5):
                with open(os.path.join(folder, "%020d.seg" % number), "wb") as file:
                    file.write(segment_header(number) + data)
            with open(os.path.join(folder, "head"), "wb") as file:
                file.write(sealed(struct.pack("<8sHHII", head.MAGIC, 1, 0, 4, 4096), 4096) + slots)
            return dump.counted(read_path(folder).whole)

    def copy(self, seq: int, threads: int, thread: int = 0, generation: int = 7, **more: int) -> bytes:
        """An Events frame of one row of thread number `thread`, which counts on `threads` entries."""
        return events_frame(seq, [(5, 4, bytes([thread]), b"")], 1, 9, generation=generation,
                                    threads=threads, **more)

    def check(self, found: Dict[str, Any], frames: List[List[int]], slots: List[List[int]], unnamed: int) -> None:
        """What counts; each copy is one row."""
        self.assertEqual(found, {"frames": frames, "slots": slots, "unnamed": unnamed,
                                 "rows": len(frames) + len(slots)})

    def test_complete_frame_first(self) -> None:
        slot = put_slot(7, 0, [META_ROWS[0]])
        early = self.ENTRIES + self.copy(2, 2)
        late = self.ENTRIES + self.copy(2, 1) + self.copy(3, 1)
        self.check(self.counted(early, late, slots=slot), [[6, 2]], [], 0)
        self.check(self.counted(late, early, slots=slot), [[5, 2]], [], 0)
        self.check(self.counted(early, early), [[5, 2]], [], 0)
        self.check(self.counted(early, early, slots=slot), [], [[3, 7]], 0)
        self.check(self.counted(self.copy(2, 1), early), [[5, 2]], [], 1)

    def test_slots_without_rows(self) -> None:
        early = self.ENTRIES + self.copy(2, 2)
        torn = bytearray(put_slot(7, 0, [META_ROWS[0]]))
        torn[64] ^= 1
        self.check(self.counted(early, slots=bytes(torn)), [[5, 2]], [], 0)
        self.check(self.counted(early, slots=put_slot(7, 0, [])), [[5, 2]], [], 0)
        self.check(self.counted(slots=bytes(torn)), [], [], 0)

    def test_frames_that_do_not_stand_in(self) -> None:
        slot = put_slot(7, 0, [META_ROWS[0]])
        unreadable = self.ENTRIES + self.copy(2, 1, sources=3)
        self.check(self.counted(unreadable, slots=slot), [], [[3, 7]], 0)
        self.check(self.counted(self.ENTRIES + self.copy(2, 1, generation=8), slots=slot), [[5, 2]], [[3, 7]], 0)
        loose = self.ENTRIES + self.copy(2, 1, generation=0) + self.copy(3, 1, generation=0)
        self.check(self.counted(loose, slots=slot), [[5, 2], [5, 3]], [[3, 7]], 0)


class MetaParts(unittest.TestCase):
    """Parts of stacks and texts (section 14)."""

    def parts(self, *given: Tuple[int, int, bytes]) -> Dict[int, str]:
        """Texts out of (count, number, 16 bytes), all of id 6."""
        found = meta.EpochMeta()
        found.add_rows(rows.Row(1, 0, 0, 0, *text(value), 0, meta.TEXT_PART, count, number, 6)
                       for count, number, value in given)
        return found.texts()

    def test_parts(self) -> None:
        one, two = (2, 0, b"a kernel with a "), (2, 1, b"long name")
        self.assertEqual(self.parts(two, one, two), {6: "a kernel with a long name"})
        for more in ((3, 2, b""), (3, 0, one[2]), (2, 2, b""), (2, -1, b""), (2, 1, b"short name"), (0, 0, b"")):
            self.assertEqual(self.parts(one, two, more), {}, more)
        self.assertEqual(self.parts(one), {})
        self.assertEqual(self.parts((1, 0, b"ab\0cd")), {6: "ab"})


if __name__ == "__main__":
    unittest.main()
