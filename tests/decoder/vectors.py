"""What the tests of the worked vectors share: bytes out of text, and parts of segments put together by hand."""
from __future__ import annotations

import struct
import sys

from decoder.checksums import missing_packages, zstandard

MISSING = missing_packages()
if MISSING is not None:
    sys.exit(MISSING)

from decoder import checksums, segment  # noqa: E402
from decoder import frame as frames  # noqa: E402

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
