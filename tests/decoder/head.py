"""The head file and its copies in frozen sets and bundles (FORMAT.md section 4)."""
from __future__ import annotations

import struct
from typing import List, NamedTuple, Optional, Tuple

from .checksums import crc32c
from .primitives import U32, Damage, DecodeError, all_zero, lowest_bit
from .rows import ROW_BYTES, Row, read_row

MAGIC = b"\x89IHD\r\n\x1a\n"
PAGE = 4096
SLOT_HEADER = 64
_PAGE = struct.Struct("<8sHHIIII")
_SLOT = struct.Struct("<QQB11xI")


class HeadPage(NamedTuple):
    """The first page."""

    version: int
    slots: int
    slot_bytes: int
    compat: int
    incompat: int


class Slot(NamedTuple):
    """A slot that was used; `torn` counts rows that `published` counts and whose check fails."""

    place: int
    generation: int
    epoch: int
    source: int
    published: int
    rows: List[Row]
    torn: int


class Head(NamedTuple):
    """What could be read of a head; `given_up` counts slots that are there and of which nothing is taken."""

    page: Optional[HeadPage]
    slots: List[Slot]
    damages: List[Damage]
    given_up: int


def read_page(data: bytes) -> HeadPage:
    """Checks and reads the first page."""
    if len(data) < PAGE:
        raise DecodeError("shorter than its first page")
    magic, version, _, slots, slot_bytes, compat, incompat = _PAGE.unpack_from(data)
    if magic != MAGIC:
        raise DecodeError("not a head: wrong magic")
    if crc32c(data[:PAGE - 4]) != U32.unpack_from(data, PAGE - 4)[0]:
        raise DecodeError("head page: wrong checksum")
    if incompat:
        raise DecodeError("head page: unknown incompat bit %d" % lowest_bit(incompat))
    if not 1 <= slots <= 1024:
        raise DecodeError("head page: %d slots" % slots)
    if slot_bytes % PAGE or not PAGE <= slot_bytes <= 64 << 20:
        raise DecodeError("head page: slots of %d bytes" % slot_bytes)
    return HeadPage(version, slots, slot_bytes, compat, incompat)


def read_slot(data: bytes, index: int, start: int, end: int) -> Optional[Slot]:
    """The slot in `data[start:end]`; None if it holds nothing, which only its whole first 32 bytes can say."""
    if end - start < _SLOT.size:
        raise DecodeError("slot %d: header cut off" % index)
    if all_zero(data[start:start + _SLOT.size]):
        return None
    generation, epoch, source, crc = _SLOT.unpack_from(data, start)
    if crc32c(data[start:start + 28]) != crc:
        if end - start >= 40 and all_zero(data[start + 28:start + 40]):
            return None
        raise DecodeError("slot %d: wrong checksum" % index)
    if source > 4:
        raise DecodeError("slot %d: source %d" % (index, source))
    if end - start < SLOT_HEADER:
        raise DecodeError("slot %d: header cut off" % index)
    published = int.from_bytes(data[start + 32:start + 40], "little")
    if published > (end - start - SLOT_HEADER) // ROW_BYTES:
        raise DecodeError("slot %d: claims %d rows" % (index, published))
    first = start + SLOT_HEADER
    found = [read_row(data, first + ROW_BYTES * i, generation) for i in range(published)]
    rows = [row for row in found if row is not None]
    torn = published - len(rows)
    # Behind the rows that are counted: up to the first that does not verify.
    for at in range(first + ROW_BYTES * published, end - ROW_BYTES + 1, ROW_BYTES):
        row = read_row(data, at, generation)
        if row is None:
            break
        rows.append(row)
    return Slot(index, generation, epoch, source, published, rows, torn)


def read_head(data: bytes) -> Head:
    """All slots that are there. A copy may end early: slots after its end do not exist."""
    try:
        page = read_page(data)
    except DecodeError as error:
        return Head(None, [], [Damage(0, len(data), str(error))], 0)
    slots: List[Slot] = []
    damages: List[Damage] = []
    given_up = 0
    for index in range(page.slots):
        start, end = _bounds(page, index, len(data))
        if start >= len(data):
            break
        try:
            slot = read_slot(data, index, start, end)
        except DecodeError as error:
            damages.append(Damage(start, end, str(error)))
            given_up += 1
            continue
        if slot is not None:
            slots.append(slot)
            if slot.torn:
                damages.append(Damage(start, end, "slot %d: %d torn rows" % (index, slot.torn)))
    return Head(page, slots, damages, given_up)


def _bounds(page: HeadPage, index: int, size: int) -> Tuple[int, int]:
    """Where a slot begins and ends, as far as the bytes in hand go."""
    start = PAGE + index * page.slot_bytes
    return start, min(start + page.slot_bytes, size)
