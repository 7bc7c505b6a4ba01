"""Checksums, numbers, rows, the head and the ring's identity, as FORMAT.md shows them.

Run: `python3 tests/decoder/test_foundations.py`.
"""
from __future__ import annotations

import os
import struct
import sys
import unittest

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from decoder.vectors import hexed, sealed  # noqa: E402

from decoder import checksums, head, identity, primitives, rows  # noqa: E402
from decoder.checksums import zstandard  # noqa: E402
from decoder.primitives import DecodeError  # noqa: E402


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
