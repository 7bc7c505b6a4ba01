"""The identity of a ring, file RING (FORMAT.md section 11)."""
from __future__ import annotations

import struct
from typing import List, NamedTuple, Optional, Tuple

from .checksums import crc32c
from .primitives import U32, Damage, DecodeError, lowest_bit

MAGIC = b"\x89IRG\r\n\x1a\n"
PAGE = 4096
_PAGE = struct.Struct("<8sHHIQ16sQI")


class Identity(NamedTuple):
    """One valid page."""

    version: int
    incompat: int
    generation: int
    ring_id: bytes
    segment_bytes: int
    holder_pid: int


def read_page(data: bytes) -> Identity:
    """Checks and reads one page."""
    if len(data) < PAGE:
        raise DecodeError("page is cut off")
    magic, version, _, incompat, generation, ring_id, segment_bytes, holder = _PAGE.unpack_from(data)
    if magic != MAGIC:
        raise DecodeError("not an identity page: wrong magic")
    if crc32c(data[:PAGE - 4]) != U32.unpack_from(data, PAGE - 4)[0]:
        raise DecodeError("identity page: wrong checksum")
    if incompat:
        raise DecodeError("identity page: unknown incompat bit %d" % lowest_bit(incompat))
    return Identity(version, incompat, generation, ring_id, segment_bytes, holder)


def read_identity(data: bytes) -> Tuple[Optional[Identity], List[Damage]]:
    """The valid page with the higher generation. A second page that is all zero was never written."""
    best: Optional[Identity] = None
    damages: List[Damage] = []
    for start in (0, PAGE):
        page = data[start:start + PAGE]
        try:
            found = read_page(page)
        except DecodeError as error:
            if any(page) or not page:
                damages.append(Damage(start, start + len(page), str(error)))
            continue
        if best is None or found.generation > best.generation:
            best = found
    if best is None and not damages:
        damages.append(Damage(0, len(data), "no identity page"))
    return best, damages
