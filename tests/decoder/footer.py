"""The footer and the digest chain (FORMAT.md section 10)."""
from __future__ import annotations

import struct
from typing import List, NamedTuple

from .checksums import xxh3_128
from .dictionary import Table, read_tables
from .primitives import Cursor, DecodeError

_ENTRY = struct.Struct("<QQQII")


class FooterEntry(NamedTuple):
    """One frame before the footer."""

    offset: int
    first_ns: int
    last_ns: int
    n_events: int
    sources: int


class Footer(NamedTuple):
    """What the unpacked payload says."""

    chain: int
    entries: List[FooterEntry]
    tables: List[Table]


def read_footer(raw: bytes) -> Footer:
    """The unpacked payload of a Footer frame."""
    cursor = Cursor(raw)
    count = cursor.number(8)
    chain = cursor.number(16)
    if count > cursor.left() // _ENTRY.size:
        raise DecodeError("footer of %d entries is cut off" % count)
    listed = cursor.take(count * _ENTRY.size)
    entries = [FooterEntry._make(fields) for fields in _ENTRY.iter_unpack(listed)]
    return Footer(chain, entries, read_tables(cursor))


def next_link(chain: int, frame: bytes) -> int:
    """The chain after one whole frame: header, payload, padding and trailer."""
    return xxh3_128(chain.to_bytes(16, "little") + bytes(frame))
