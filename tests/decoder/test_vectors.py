"""The worked vectors of FORMAT.md, and files put together from them by hand.

Run: `python3 tests/decoder/test_vectors.py`.
"""
from __future__ import annotations

import os
import struct
import sys
import unittest

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from decoder.checksums import missing_packages, zstandard  # noqa: E402

MISSING = missing_packages()
if MISSING is not None:
    sys.exit(MISSING)

from decoder import bundle, checksums, columns, dictionary, footer, head, identity, primitives, records  # noqa: E402
from decoder import frame as frames  # noqa: E402
from decoder import rows, segment, state  # noqa: E402
from decoder.manifest import read_manifest  # noqa: E402
from decoder.primitives import DecodeError  # noqa: E402

SALT = 0x1122334455667788


def hexed(text: str) -> bytes:
    """Bytes out of hexadecimal text with spaces."""
    return bytes.fromhex("".join(text.split()))


SECTION_18 = hexed("""
    89 49 46 52 0d 0a 1a 0a   80 00 00 00 01 01 00 00
    01 00 00 00 00 00 00 00   88 77 66 55 44 33 22 11
    02 00 00 00 00 00 00 00   40 42 0f 00 00 00 00 00
    95 b2 0f 00 00 00 00 00   04 00 00 00 23 00 00 00
    86 00 00 00 00 00 00 00   00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00   07 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00   00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00   d6 e3 b8 1f 4a 6d b9 12
    06 00 00 00 2c 00 00 00
    01 02 00 00 04 00 00 00   05 00 00 00
    02 02 00 00 04 00 00 00   05 00 00 00
    03 01 00 00 04 00 00 00   00 00 00 00
    04 01 00 00 04 00 00 00   00 00 00 00
    05 03 00 00 07 00 00 00   00 00 00 00
    07 03 00 00 0c 00 00 00   00 00 00 00
    28 b5 2f fd 20 23 19 01   00 00 31 30 30 2b 2c 2c
    2d 00 01 00 01 0a 0a 00   00 01 0a 0b 00 00 00 00
    01 80 02 00 00 00 70 55   00 00 00 00
    a7 ba d6 b5 00
    a0 29 43 9c 2f
    00 00
    8a 77 66 55 44 33 22 11""")


def laid_out(size: int, text: str) -> bytes:
    """Bytes out of lines that begin with their offset; what no line gives is zero."""
    data = bytearray(size)
    for line in text.strip().splitlines():
        at, _, values = line.strip().partition(" ")
        raw = hexed(values)
        data[int(at):int(at) + len(raw)] = raw
    return bytes(data)


def sealed(raw: bytes, size: int) -> bytes:
    """Fills up with zeros and ends in the checksum of all before it."""
    body = raw.ljust(size - 4, b"\0")
    return body + struct.pack("<I", checksums.crc32c_table(body))


def segment_header(seq: int = 5, tick: int = 1, chain: int = 0, incompat: int = 0) -> bytes:
    """A segment header as in section 5."""
    raw = struct.pack(
        "<8sHHIIIQQ16s16sQQQQ", segment.MAGIC, 256, 1, 0, incompat, tick, SALT, seq, b"\xaa" * 16, b"\xbb" * 16, 3,
        900_000, 1_795_342_411_000_000_000, 40) + chain.to_bytes(16, "little")
    return sealed(raw, 256)


def put_frame(kind: int, codec: int, seq: int, raw_len: int, payload: bytes, flags: int = 0, salt: int = SALT,
              events: int = 0, sources: int = 0, first: int = 0, generation: int = 0, threads: int = 0) -> bytes:
    """A frame around a payload."""
    raw = struct.pack(
        "<8sHHBBHIHHQQQQIIIIIIQQ24xI", frames.MAGIC, 128, 0, kind, codec, flags, sources, 0, 0, salt, seq, first, first,
        events, raw_len, len(payload), threads, 0, 0, 0, generation, checksums.crc32c_table(payload))
    padded = payload + bytes(-len(payload) % 8)
    return sealed(raw, 128) + padded + struct.pack("<Q", seq ^ salt)


def record_frame(kind: int, seq: int, raw: bytes) -> bytes:
    """A frame with codec 2."""
    return put_frame(kind, 2, seq, len(raw), zstandard.compress(raw))


def events_frame(seq: int, parts: list, count: int, first: int, **more: int) -> bytes:
    """An Events frame out of (column, encoding, block part, raw part)."""
    block = b"".join(part[2] for part in parts)
    packed = zstandard.compress(block)
    payload = struct.pack("<HHI", len(parts), 0, len(packed))
    payload += b"".join(struct.pack("<BBHII", c, e, 0, len(b), len(r)) for c, e, b, r in parts)
    payload += packed + b"".join(part[3] for part in parts)
    return put_frame(1, 1, seq, len(block), payload, events=count, first=first, **{"sources": 1, **more})


class Checksums(unittest.TestCase):
    """Section 2, and zstd."""

    def test_crc32c(self) -> None:
        for crc in (checksums.crc32c, checksums.crc32c_table):
            self.assertEqual(crc(b"123456789"), 0xE3069283)
            self.assertEqual(crc(bytes(32)), 0x8A9136AA)
            self.assertEqual(crc(b"\xff" * 32), 0x62A8AB43)
            self.assertEqual(crc(b"6789", crc(b"12345")), 0xE3069283)
            self.assertEqual(crc(b""), 0)

    def test_zstd_exact_size(self) -> None:
        packed = zstandard.compress(b"abc")
        unsized = zstandard.ZstdCompressor(write_content_size=False).compress(b"abc")
        for data in (packed, unsized):
            self.assertEqual(checksums.unzstd(data, 3, 100), b"abc")
            for wrong in (0, 2, 4):
                with self.assertRaises(DecodeError):
                    checksums.unzstd(data, wrong, 100)
        self.assertEqual(checksums.unzstd(zstandard.compress(b""), 0, 100), b"")
        with self.assertRaises(DecodeError):
            checksums.unzstd(packed[:-1], 3, 100)
        with self.assertRaises(DecodeError):
            checksums.unzstd(b"", 0, 100)

    def test_dictionary_id_of_a_zstd_frame_is_0(self) -> None:
        """One byte of it: a raw block of three bytes behind."""
        for number, good in ((0, True), (1, False)):
            data = b"\x28\xb5\x2f\xfd\x21" + bytes([number]) + b"\x03\x19\x00\x00abc"
            if good:
                self.assertEqual(checksums.unzstd(data, 3, 100), b"abc")
            else:
                with self.assertRaises(DecodeError):
                    checksums.unzstd(data, 3, 100)

    def test_exactly_one_zstd_frame(self) -> None:
        unsized = zstandard.ZstdCompressor(write_content_size=False)
        summed = zstandard.ZstdCompressor(write_checksum=True)
        skippable = hexed("50 2a 4d 18 03 00 00 00 61 62 63")
        for raw in (b"", b"abc", bytes(300_000)):
            nothing = zstandard.compress(b"")
            for packed in (zstandard.compress(raw), unsized.compress(raw), summed.compress(raw)):
                self.assertEqual(checksums.unzstd(packed, len(raw), 1 << 20), raw)
                for bad in (packed + b"\0", packed + nothing, nothing + packed, packed + skippable,
                            skippable + packed, packed[:-1], packed[:5], skippable):
                    with self.assertRaises(DecodeError):
                        checksums.unzstd(bad, len(raw), 1 << 20)
            packed = summed.compress(raw)
            with self.assertRaises(DecodeError):
                checksums.unzstd(packed[:-1] + bytes([packed[-1] ^ 1]), len(raw), 1 << 20)
        with self.assertRaises(DecodeError):
            checksums.unzstd(zstandard.compress(b""), 1, 100)


class Primitives(unittest.TestCase):
    """Varints and zigzag, section 2."""

    def test_varint(self) -> None:
        self.assertEqual(primitives.varint(hexed("ac 02"), 0), (300, 2))
        self.assertEqual(primitives.varint(hexed("80 00"), 0), (0, 2))
        self.assertEqual(primitives.varint(b"\xff" * 9 + b"\x01", 0), ((1 << 64) - 1, 10))
        for bad in (b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\0", b"\x80", b""):
            with self.assertRaises(DecodeError):
                primitives.varint(bad, 0)
        self.assertEqual(primitives.varints(hexed("01 ac 02 03"), 0, 3), ([1, 300, 3], 4))
        with self.assertRaises(DecodeError):
            primitives.varints(hexed("01 80"), 0, 2)

    def test_zigzag(self) -> None:
        self.assertEqual([primitives.zigzag(n) for n in range(5)], [0, -1, 1, -2, 2])


class RowVector(unittest.TestCase):
    """Section 3."""

    BYTES = hexed("""08 07 06 05 04 03 02 01   09 00 00 00 00 00 00 00
        0a 00 00 00 0b 00 00 00   0c 00 00 00 00 00 00 00
        0d 00 00 00 00 00 00 00   4d 00 00 00 00 00 03 00
        01 01 20 00 fb ff ff ff   0e 00 00 00 75 f3 08 6d""")

    def test_row(self) -> None:
        row = rows.read_row(self.BYTES, 0, 42)
        self.assertEqual(row, (0x0102030405060708, 9, 10, 11, 12, 13, 3 << 48 | 77, 0x0101, 32, -5, 14))
        assert row is not None
        self.assertEqual((row.cpu, row.number), (3, 77))
        self.assertIsNone(rows.read_row(self.BYTES, 0, 0))
        self.assertEqual(rows.read_row(self.BYTES[:60] + hexed("a8 86 e3 38"), 0, 0), row)


class HeadVectors(unittest.TestCase):
    """Section 4."""

    def page(self, slots: int = 8, slot_bytes: int = 1 << 20, incompat: int = 0) -> bytes:
        """A first page."""
        return sealed(struct.pack("<8sHHIIII", head.MAGIC, 1, 0, slots, slot_bytes, 0, incompat), 4096)

    def slot(self) -> bytes:
        """The slot of the example with one good and one torn row."""
        begin = hexed("07 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 01 21 20 ff")
        row = RowVector.BYTES[:60]
        good = row + struct.pack("<I", checksums.crc32c_table(struct.pack("<Q", 7) + row))
        return begin + struct.pack("<Q24x", 2) + good + RowVector.BYTES

    def test_page(self) -> None:
        page = self.page()
        self.assertEqual(page[:20], hexed("89 49 48 44 0d 0a 1a 0a 01 00 00 00 08 00 00 00 00 00 10 00"))
        self.assertEqual(page[-4:], hexed("b1 c5 8b 83"))
        self.assertEqual(head.read_page(page), (1, 8, 1 << 20, 0, 0))
        with self.assertRaisesRegex(DecodeError, "bit 3"):
            head.read_page(self.page(incompat=8))

    def test_slots(self) -> None:
        used = self.slot()
        copy = self.page(slot_bytes=4096) + bytes(4096) + used
        found = head.read_head(copy)
        self.assertEqual([(s.place, s.generation, s.epoch, s.source, len(s.rows), s.torn) for s in found.slots],
                         [(1, 7, 3, 1, 1, 1)])
        cut = head.read_head(copy[:-1])
        self.assertEqual(cut.slots, [])
        self.assertEqual(len(cut.damages), 1)
        self.assertEqual(head.read_head(copy[:4096 + 4096]).slots, [])
        self.assertEqual(head.read_head(copy[:4096 + 4096]).damages, [])
        for bytes_of_slot, given_up in ((0, 0), (1, 1), (31, 1), (32, 0), (40, 0)):
            self.assertEqual(head.read_head(copy[:4096 + bytes_of_slot]).given_up, given_up)
        for bytes_of_slot, given_up in ((1, 1), (32, 1), (63, 1), (64, 1), (128, 1), (192, 0)):
            found = head.read_head(copy[:8192 + bytes_of_slot])
            self.assertEqual((found.given_up, len(found.slots)), (given_up, 1 - given_up))

    def test_a_header_half_written_holds_nothing_if_checksum_and_count_are_zero(self) -> None:
        page = self.page(slots=1, slot_bytes=4096)
        torn = b"\x09" + self.slot()[1:]
        for crc, published, given_up in ((0, 0, 0), (0, 1, 1), (1, 0, 1)):
            found = head.read_head(page + torn[:28] + struct.pack("<LQ", crc, published) + torn[40:])
            self.assertEqual((found.given_up, found.slots), (given_up, []))
        self.assertEqual(head.read_head(page + torn[:28] + bytes(11)).given_up, 1)

    def test_what_gives_a_slot_up(self) -> None:
        used = self.slot()
        page = self.page(slots=2, slot_bytes=4096)
        good = used.ljust(4096, b"\0")
        source = sealed(used[:16] + b"\x05" + bytes(11), 32) + used[32:]
        published = used[:32] + struct.pack("<Q", 64) + used[40:]
        for bad in (used[:28] + bytes(4) + used[32:], source, published):
            found = head.read_head(page + bad.ljust(4096, b"\0") + good)
            self.assertEqual((found.given_up, [slot.place for slot in found.slots]), (1, [1]))
        row = used[64:128]
        for count, behind, taken, torn in ((0, row * 2, 2, 0), (1, row * 62, 63, 0), (0, RowVector.BYTES + row, 0, 0),
                                           (1, row[:-1], 1, 0), (2, row + RowVector.BYTES + row, 2, 1)):
            raw = used[:32] + struct.pack("<Q24x", count) + used[64:64 + 64 * count] + behind
            slot = head.read_head(page + raw).slots[0]
            self.assertEqual((len(slot.rows), slot.torn), (taken, torn))
        most = used[:32] + struct.pack("<Q", 63) + used[40:]
        self.assertEqual(head.read_head(page + most.ljust(4096, b"\0") + good).slots[0].torn, 62)


class SegmentVectors(unittest.TestCase):
    """Sections 5, 6, 7, 9, 10, 18."""

    STATE = (
        struct.pack("<HHI", 1, 0, 27) + hexed("01 00 00 00 00 00 00 00 01 00 01 64 00 00 00 00 00 00 00"
                                              "05 00 00 00 00 00 00 00")
        + struct.pack("<HHI", 9, 0, 1) + b"x"
        + struct.pack("<HHI", 2, 0, 36) + hexed("01 00 00 00 00 00 00 00 0a 00 00 00 0b 00 00 00 a0 bb 0d 00 00 00"
                                                "00 00 04 00 00 00 00 00 00 00 6c 6f 6f 70"))
    ROWS = [
        (1_000_000, 4000, 10, 11, 0x70, 0x55, 5, 0x100, 0, 0, 0),
        (1_010_919, 4500, 10, 11, 0x70, 0x55, 1 << 48 | 5, 0x100, 0, 0, 0),
        (1_019_838, 5000, 10, 11, 0x70, 0x55, 6, 0x100, 0, 0, 0),
        (1_028_757, 5500, 10, 11, 0x70, 0x55, 1 << 48 | 6, 0x100, 0, 0, 0),
    ]

    def test_section_18(self) -> None:
        data = segment_header() + record_frame(3, 0, self.STATE) + SECTION_18 + bytes(64)
        found = segment.read_segment(data)
        self.assertEqual(found.damages, [])
        self.assertEqual([content.error for content in found.contents], [None, None])
        self.assertEqual([tuple(row) for row in found.contents[1].rows], self.ROWS)
        self.assertEqual(found.end, len(data) - 64)
        self.assertEqual(found.contents[1].frame.header.head_generation, 7)
        told = found.contents[0].state
        assert told is not None
        self.assertEqual(told["accounts"], [{"cpu": 1, "source": 1, "stored": 100, "lost": 5}])
        self.assertEqual(told["tasks"], [{"pid": 10, "tid": 11, "since_ns": 900_000, "comm": "loop"}])
        self.assertEqual(told["stacks"], [])

    def test_second_form(self) -> None:
        """The end of section 18: columns 6, 8 and 9 in place of 7."""
        kind = columns.Part(6, 3, hexed("01 80 02 00 00 00 00 00 00 00"), b"")
        self.assertEqual(columns.decode_tuples(kind, 4), [(256, 0, 0, 0)] * 4)
        arg0 = columns.Part(8, 2, hexed("2c 30 32 34"), bytes(6))
        self.assertEqual(columns.decode_split(arg0, 4), [4096, 8192, 12288, 16384])
        arg1 = columns.Part(9, 3, hexed("01 55 00 00 00 00"), b"")
        self.assertEqual(columns.decode_tuples(arg1, 4), [(0x55,)] * 4)

    CHAINED_DURATIONS = [4_000, 10_919, 19_838, 17_837]

    def test_chained(self) -> None:
        """The example of section 7; columns before those that they need, and without a Cpu column."""
        chained = (2, 5, hexed("2f 00 00 02"), hexed("3f 03"))
        centred = (1, 6, hexed("90 4e 34 27 28 28"), hexed("1f ee 12 27 0e"))
        split = (1, 2, hexed("00 31 30 30"), hexed("a7 ba d6 b5 00"))
        cpu = (3, 1, hexed("00 01 00 01"), b"")
        for end in (centred, split):
            data = segment_header() + events_frame(0, [chained, cpu, end], 4, 1_000_000)
            found = segment.read_segment(data).contents[0]
            self.assertIsNone(found.error)
            self.assertEqual([row.end_ns for row in found.rows], [row[0] for row in self.ROWS])
            self.assertEqual([row.dur_ns for row in found.rows], self.CHAINED_DURATIONS)
        one_cpu = segment.read_segment(segment_header() + events_frame(0, [split, chained], 4, 1_000_000)).contents[0]
        self.assertEqual([row.dur_ns for row in one_cpu.rows], [4_000, 10_919, 8_919, 8_918])

    def test_chained_in_ticks(self) -> None:
        chained = (2, 5, hexed("05 00 02"), b"")  # s is -3, 0, 1
        end = (1, 2, hexed("02 03 01"), b"")
        data = segment_header(tick=1000) + events_frame(0, [end, chained], 3, 5_500)
        rows_read = segment.read_segment(data).contents[0].rows
        self.assertEqual([(row.end_ns, row.dur_ns) for row in rows_read],
                         [(7_500, 5_000), (10_500, 3_000), (11_500, 0)])
        wrapped = segment.read_segment(segment_header(tick=1000) + events_frame(0, [chained], 3, 0)).contents[0].rows
        self.assertEqual([row.dur_ns for row in wrapped], [3_000, 0, (1 << 64) - 1_000])

    def test_centred(self) -> None:
        part = columns.Part(8, 6, hexed("03 00 01 05 07"), b"")
        self.assertEqual(columns.decode_centred(part, 4), [3, 2, 0, (1 << 64) - 1])
        part = columns.Part(8, 6, b"\xff" * 9 + hexed("01 02 01"), b"")
        self.assertEqual(columns.decode_centred(part, 2), [0, (1 << 64) - 2])
        for bad in (b"", b"\x80", hexed("03 00")):
            with self.assertRaises(DecodeError):
                columns.decode_centred(columns.Part(8, 6, bad, b""), 2)
        parts = [(2, 6, hexed("05 04"), b""), (8, 6, hexed("05 03"), b"")]
        row = segment.read_segment(segment_header(tick=10) + events_frame(0, parts, 1, 70)).contents[0].rows[0]
        self.assertEqual((row.end_ns, row.dur_ns, row.arg0), (70, 70, 3))

    def test_split_table(self) -> None:
        block = bytes([0, 1, 2, 3, 4, 7, 8, 11, 35, 251])
        bits = sum(bit << at for at, bit in ((0, 0), (1, 1))) | (1000 - 7 * 128) << 2 | ((1 << 61) - 1) << 9
        part = columns.Part(2, 2, block, bits.to_bytes(9, "little"))
        self.assertEqual(columns.decode_split(part, 10), [0, 1, 2, 3, 4, 7, 8, 15, 1000, (1 << 64) - 1])
        with self.assertRaises(DecodeError):
            columns.decode_split(columns.Part(2, 2, b"\xfc", bytes(20)), 1)
        with self.assertRaises(DecodeError):
            columns.decode_split(columns.Part(2, 2, b"\x0a", b""), 1)

    def test_scan_over_damage(self) -> None:
        first = record_frame(3, 0, self.STATE)
        third = record_frame(4, 9, bytes(24))
        good = segment_header() + first + SECTION_18 + third
        data = bytearray(good + bytes(16))
        data[256 + len(first) + 130] ^= 1
        found = segment.read_segment(bytes(data))
        start = 256 + len(first)
        self.assertEqual([(d.start, d.end) for d in found.damages], [(start, start + 272)])
        self.assertEqual([f.frame.header.frame_seq for f in found.contents], [0, 9])
        for at in range(256, len(good)):
            spoilt = bytearray(good)
            spoilt[at] ^= 0x40
            segment.read_segment(bytes(spoilt))
        lower = segment.read_segment(segment_header() + third + SECTION_18)
        self.assertEqual([(d.start, d.end) for d in lower.damages], [(256 + len(third), 256 + len(third) + 272)])

    def test_forged_headers_are_bounded(self) -> None:
        """Each of many headers claims the rest of the file as its payload: the work is bounded (section 5)."""
        for count, reason in ((200, "too much damage"), (20, "frame payload has a wrong checksum")):
            body = b""
            for left in range(count, 0, -1):
                raw = struct.pack("<8sHHBBHIHHQQQQIIIIIIQQ24xI", frames.MAGIC, 128, 0, 1, 1, 0, 1, 0, 0, SALT, 1, 0, 0,
                                  1, 1, (left - 1) * 128, 0, 0, 0, 0, 0, 1)
                body += sealed(raw, 128)
            data = segment_header() + body + struct.pack("<Q", 1 ^ SALT)
            found = segment.read_segment(data)
            self.assertEqual(found.damages, [(256, len(data), reason)])
            self.assertEqual(found.end, len(data))
        work = frames.Work(10)
        work.in_vain(160 + (1 << 20))
        with self.assertRaises(frames.WorkLimit):
            work.in_vain(1)

    def test_refusals(self) -> None:
        for header, reason in ((segment_header(incompat=4), "bit 2"), (segment_header(tick=0), "tick"),
                               (segment_header(tick=1_000_001), "tick")):
            found = segment.read_segment(header)
            self.assertIsNone(found.header)
            self.assertIn(reason, found.damages[0].reason)
        flagged = put_frame(1, 1, 0, 0, b"", flags=0x0400)
        content = segment.read_segment(segment_header() + flagged).contents[0]
        self.assertEqual(content.error, "incompatible frame flag bit 10")
        compat = segment.read_segment(segment_header() + put_frame(9, 7, 0, 0, b"", flags=0x80)).contents[0]
        self.assertIsNone(compat.error)
        unknown = segment.read_segment(segment_header() + put_frame(9, 7, 0, 0, b"", flags=0x8100)).contents[0]
        self.assertEqual(unknown.error, "incompatible frame flag bit 8")
        for cut in (0, 9, 10, 255):
            self.assertIsNone(segment.read_segment(segment_header()[:cut]).header)

    def test_sources(self) -> None:
        for sources in range(32):
            good = events_frame(0, [], 1, 7, sources=sources)
            error = segment.read_segment(segment_header() + good).contents[0].error
            self.assertEqual(error is None, sources in (1, 2, 4, 8, 16), sources)

    def test_segment_header_example(self) -> None:
        header = segment.read_header(segment_header())
        self.assertEqual((header.salt, header.segment_seq, header.epoch), (SALT, 5, 3))
        self.assertEqual(segment_header()[-4:], hexed("4d 4d ca 6a"))


class WorkedSegments(unittest.TestCase):
    """The bytes of sections 9, 10 and 19."""

    RECORD = laid_out(79, """
        0 01 00 00 00 1b 00 00 00
        8 01 00 00 00 00 00 00 00
        16 01 00  01  64 00 00 00 00 00 00 00  05 00 00 00 00 00 00 00
        35 02 00 00 00 24 00 00 00
        43 01 00 00 00 00 00 00 00
        51 0a 00 00 00  0b 00 00 00  a0 bb 0d 00 00 00 00 00
        67 04 00 00 00 00 00 00 00  6c 6f 6f 70""")
    STATE_FRAME = laid_out(208, """
        0 89 49 46 52 0d 0a 1a 0a   80 00 00 00 03 02 00 00
        16 00 00 00 00 00 00 00 00   88 77 66 55 44 33 22 11
        48 00 00 00 00 00 00 00 00   00 00 00 00 4f 00 00 00
        64 43 00 00 00 00 00 00 00
        112 00 00 00 00 00 00 00 00   55 5e c6 1d 7e 74 34 eb
        128 28 b5 2f fd 20 4f d5 01   00 94 02 01 00 00 00 1b
        144 00 00 00 01 00 01 00 01   64 00 05 00 02 00 00 00
        160 24 0a 00 00 00 0b 00 00   00 a0 bb 0d 00 04 00 00
        176 6c 6f 6f 70 06 00 29 22   40 48 46 19 0d 06 06 43
        192 0f 00 09 00 00 00 00 00   88 77 66 55 44 33 22 11""")
    FOOTER_RECORD = laid_out(56, """
        0 01 00 00 00 00 00 00 00   c9 77 31 87 fe 13 77 b8
        16 c7 99 62 68 9e 53 1d 7e   00 01 00 00 00 00 00 00""")
    EMPTY_STATE = laid_out(152, """
        0 89 49 46 52 0d 0a 1a 0a   80 00 00 00 03 02 00 00
        16 00 00 00 00 00 00 00 00   88 77 66 55 44 33 22 11
        64 09 00 00 00 00 00 00 00
        112 00 00 00 00 00 00 00 00   38 df 9a 86 8e df d4 33
        128 28 b5 2f fd 20 00 01 00   00 00 00 00 00 00 00 00
        144 88 77 66 55 44 33 22 11""")
    DICTIONARY_FRAME = laid_out(160, """
        0 89 49 46 52 0d 0a 1a 0a   80 00 00 00 02 02 00 00
        16 00 00 00 00 00 00 00 00   88 77 66 55 44 33 22 11
        32 01 00 00 00 00 00 00 00   00 00 00 00 00 00 00 00
        48 00 00 00 00 00 00 00 00   00 00 00 00 0f 00 00 00
        64 18 00 00 00 00 00 00 00
        112 00 00 00 00 00 00 00 00   54 82 29 60 8e ad 7c f5
        128 28 b5 2f fd 20 0f 79 00   00 05 00 01 0a 0b 07 00
        144 01 80 02 00 00 00 70 55   89 77 66 55 44 33 22 11""")
    EVENTS_FRAME = laid_out(264, """
        0 89 49 46 52 0d 0a 1a 0a   80 00 00 00 01 01 00 00
        16 01 00 00 00 00 00 00 00   88 77 66 55 44 33 22 11
        32 02 00 00 00 00 00 00 00   40 42 0f 00 00 00 00 00
        48 95 b2 0f 00 00 00 00 00   04 00 00 00 18 00 00 00
        64 7b 00 00 00 01 00 00 00   01 00 00 00 2f a1 6c a4
        80 00 00 00 00 00 00 00 00   07 00 00 00 00 00 00 00
        112 00 00 00 00 00 00 00 00   f9 0d 7b 6a a8 19 8c 2c
        128 06 00 00 00 21 00 00 00
        136 01 02 00 00 04 00 00 00   05 00 00 00
        148 02 02 00 00 04 00 00 00   05 00 00 00
        160 03 01 00 00 04 00 00 00   00 00 00 00
        172 04 01 00 00 04 00 00 00   00 00 00 00
        184 05 04 00 00 04 00 00 00   00 00 00 00
        196 07 04 00 00 04 00 00 00   00 00 00 00
        208 28 b5 2f fd 20 18 c1 00   00 00 31 30 30 2b 2c 2c
        224 2d 00 01 00 01 0a 0a 00   00 00 00 00 00 00 00 00
        240 00
        241 a7 ba d6 b5 00
        246 a0 29 43 9c 2f
        256 8a 77 66 55 44 33 22 11""")
    LAST_RECORD = laid_out(135, """
        0 03 00 00 00 00 00 00 00
        8 a4 e3 bd 19 fd fb c5 41   56 67 83 a4 c8 82 3b df
        24 00 01 00 00 00 00 00 00
        56 98 01 00 00 00 00 00 00
        88 38 02 00 00 00 00 00 00   40 42 0f 00 00 00 00 00
        104 95 b2 0f 00 00 00 00 00   04 00 00 00 01 00 00 00
        120 05 00 01  0a 0b
        125 07 00 01  80 02 00 00 00 70 55""")

    def test_state_and_footer(self) -> None:
        found = segment.read_segment(segment_header() + self.STATE_FRAME + record_frame(4, 1, self.FOOTER_RECORD))
        self.assertEqual((found.damages, found.notes), ([], []))
        self.assertEqual(found.contents[0].state, state.read_state(self.RECORD))
        self.assertEqual(found.contents[0].chain, 0x7E1D539E686299C7B87713FE873177C9)
        assert found.contents[0].state is not None and found.footer is not None
        self.assertEqual(found.contents[0].state["accounts"], [{"cpu": 1, "source": 1, "stored": 100, "lost": 5}])
        self.assertEqual(found.contents[0].state["tasks"][0]["comm"], "loop")
        self.assertEqual(found.footer.entries, [(256, 0, 0, 0, 0)])

    def test_dictionaries(self) -> None:
        last = record_frame(4, 3, self.LAST_RECORD)
        begin = segment_header() + self.EMPTY_STATE
        found = segment.read_segment(begin + self.DICTIONARY_FRAME + self.EVENTS_FRAME + last)
        self.assertEqual((found.damages, found.notes, found.unreadable), ([], [], []))
        self.assertEqual([content.frame.offset for content in found.contents], [256, 408, 568, 832])
        self.assertEqual((found.threads, found.calls), (1, 1))
        self.assertEqual([tuple(row) for row in found.contents[2].rows], SegmentVectors.ROWS)
        lost = self.DICTIONARY_FRAME[:130] + b"x" + self.DICTIONARY_FRAME[131:]
        mended = segment.read_segment(begin + lost + self.EVENTS_FRAME + last)
        self.assertEqual([tuple(row) for row in mended.contents[1].rows], SegmentVectors.ROWS)
        bare = segment.read_segment(begin + lost + self.EVENTS_FRAME).contents[1]
        self.assertEqual(bare.unnamed, 4)
        self.assertEqual([tuple(row) for row in bare.rows],
                         [row[:2] + (0, 0, 0, 0, row[6], 0, 0, 0, 0) for row in SegmentVectors.ROWS])


class DictionaryVectors(unittest.TestCase):
    """Encoding 4, Dictionary frames, ticks, chain: sections 7 and 10."""

    DICTIONARY = hexed("05 00 02  0a 0b  0a 0c   07 00 01  80 02 00 00 00 70 55")

    def events(self, seq: int) -> bytes:
        """Three rows: threads 0, 1, 2 and calls 0, 0, 1."""
        return events_frame(seq, [
            (7, 4, hexed("00 00 01"), b""), (5, 4, hexed("00 01 02"), b""), (1, 2, hexed("00 02 03"), b""),
            (2, 2, hexed("01 01 01"), b""), (4, 1, hexed("00 00 00"), b""), (3, 1, hexed("00 00 01"), b"")], 3, 5000)

    def test_named_and_unnamed(self) -> None:
        data = segment_header(tick=1000) + record_frame(2, 1, self.DICTIONARY) + self.events(2)
        content = segment.read_segment(data).contents[1]
        self.assertIsNone(content.error)
        self.assertEqual(content.unnamed, 1)
        self.assertEqual([tuple(row) for row in content.rows], [
            (5000, 1000, 10, 11, 0x70, 0x55, 0, 0x100, 0, 0, 0),
            (7000, 1000, 10, 12, 0x70, 0x55, 1, 0x100, 0, 0, 0),
            (10000, 1000, 0, 0, 0, 0, 1 << 48, 0, 0, 0, 0)])

    def test_footer_makes_good(self) -> None:
        tables = hexed("05 00 03  0a 0b  0a 0c  0a 0d   07 00 02  80 02 00 00 00 70 55"
                       "81 02 20 ff ff ff ff 0f 00 01 02")
        data = segment_header() + self.events(2) + record_frame(4, 3, bytes(24) + tables)
        found = segment.read_segment(data)
        self.assertEqual(found.contents[0].unnamed, 0)
        self.assertEqual(tuple(found.contents[0].rows[2]), (5005, 1, 10, 13, 1, 2, 1 << 48, 0x101, 32, -1, 0))

    def test_disputed_id_has_no_entry(self) -> None:
        other = hexed("05 00 01  0a 0f")
        data = segment_header() + record_frame(2, 1, self.DICTIONARY) + self.events(2) + record_frame(2, 3, other)
        content = segment.read_segment(data).contents[1]
        self.assertEqual((content.unnamed, content.rows[0].tid, content.rows[1].tid), (2, 0, 12))

    def test_tables(self) -> None:
        self.assertEqual(dictionary.read_dictionary(self.DICTIONARY),
                         [(5, 0, [(10, 11), (10, 12)]), (7, 0, [(256, 0, 0, 0, 112, 85)])])
        wide = dictionary.read_dictionary(hexed("05 00 01 8a 80 80 80 10 0b"))
        self.assertEqual(wide, [(5, 0, [(10, 11)])])
        for bad in ("", "06 00 01 00", "05 00 ff ff 03 01", "05 00 00", "05 ff ff 03 02 01 01 01 01", "05 00 01 00"):
            with self.assertRaises(DecodeError, msg=bad):
                dictionary.read_dictionary(hexed(bad))
        self.assertEqual(dictionary.read_dictionary(hexed("05 ff ff 03 01 01 01"))[0].base, 65535)

    def test_columns_that_are_refused(self) -> None:
        end, call, kind = (1, 2, b"\0", b""), (7, 3, hexed("01 01 00 00 00 00 00 00"), b""), (6, 3, b"\0", b"")
        for parts in ([end, end], [call, kind], [(10, 1, b"\0", b"")], [(8, 1, b"\0", b"")], [(1, 5, b"\0", b"")],
                      [(8, 5, b"\0", b"")], [(4, 6, b"\0\0", b"")], [(9, 6, b"\0\0", b"")]):
            content = segment.read_segment(segment_header() + events_frame(0, parts, 1, 7)).contents[0]
            self.assertIsNotNone(content.error, parts)
        bare = segment.read_segment(segment_header() + events_frame(0, [], 2, 7)).contents[0]
        self.assertEqual([row.end_ns for row in bare.rows], [7, 7])

    def test_chain(self) -> None:
        one = record_frame(3, 0, SegmentVectors.STATE)
        chain = checksums.xxh3_128((77).to_bytes(16, "little") + one)
        for said, notes in ((chain, 0), (chain ^ 1, 1)):
            last = record_frame(4, 1, struct.pack("<Q", 0) + said.to_bytes(16, "little"))
            found = segment.read_segment(segment_header(chain=77) + one + last)
            self.assertEqual(len(found.notes), notes)
            self.assertEqual(found.chain, footer.next_link(chain, last))


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


class IdentityVector(unittest.TestCase):
    """Section 11."""

    def test_pages(self) -> None:
        begin = hexed("""89 49 52 47 0d 0a 1a 0a   01 00 00 00 00 00 00 00
            02 00 00 00 00 00 00 00   aa aa aa aa aa aa aa aa
            aa aa aa aa aa aa aa aa   00 00 00 01 00 00 00 00
            67 12 00 00 00 00 00 00""")
        page = begin.ljust(4092, b"\0") + hexed("4c 83 4e 43")
        found, damages = identity.read_identity(page + bytes(4096))
        self.assertEqual(found, (1, 0, 2, b"\xaa" * 16, 16 << 20, 4711))
        self.assertEqual(damages, [])
        newer = sealed(begin[:16] + struct.pack("<Q", 3) + begin[24:], 4096)
        later, _ = identity.read_identity(page + newer)
        older, damages = identity.read_identity(page + newer[:-1] + b"\0")
        assert later is not None and older is not None
        self.assertEqual((later.generation, older.generation, len(damages)), (3, 2, 1))
        twin = sealed(begin[:48] + struct.pack("<I", 1), 4096)
        first, _ = identity.read_identity(page + twin)
        last, damages = identity.read_identity(bytes(4096) + twin)
        cut, _ = identity.read_identity(page + newer[:-1])
        assert first is not None and last is not None and cut is not None
        self.assertEqual((first.holder_pid, last.holder_pid, cut.generation), (4711, 1, 2))
        self.assertEqual(damages, [])


if __name__ == "__main__":
    unittest.main()
