"""Segments of FORMAT.md, and segments put together by hand: damage, dictionaries, forged headers.

Run: `python3 tests/decoder/test_segments.py`.
"""
from __future__ import annotations

import os
import struct
import sys
import unittest

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from decoder.vectors import SALT, SECTION_18, events_frame, hexed, laid_out, put_frame, record_frame, sealed, segment_header  # noqa: E402

from decoder import checksums, columns, dictionary, footer, segment, state  # noqa: E402
from decoder import frame as frames  # noqa: E402
from decoder.primitives import DecodeError  # noqa: E402


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


if __name__ == "__main__":
    unittest.main()
