"""CRC32C (FORMAT.md section 2), XXH3-128 (section 10) and zstd (sections 6, 7, 9).

CRC32C is made here from its definition; the PyPI package `crc32c` is used where it is installed, for speed only.
XXH3 and zstd come from PyPI.
"""
from __future__ import annotations

import struct
from typing import List, Optional

from .primitives import DecodeError

try:
    import xxhash
except ImportError:
    xxhash = None  # type: ignore[assignment]
try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]
try:
    import crc32c as _crc32c_package
except ImportError:
    _crc32c_package = None  # type: ignore[assignment]

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_REPEATED = 1  # kind of a block that is one byte, to be repeated
MAX_WINDOW = 1 << 31
REFLECTED = 0x82F63B78  # 0x1EDC6F41 with its bits in reverse order
_BY_BYTE: List[int] = []
_BY_PAIR: List[int] = []


def missing_packages() -> Optional[str]:
    """One line on what to install, or None."""
    absent = [name for name, module in (("xxhash", xxhash), ("zstandard", zstandard)) if module is None]
    if not absent:
        return None
    return "decoder: package missing: python3 -m pip install " + " ".join(absent)


def _make_tables() -> None:
    """Remainders of one byte, and of two at once."""
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (REFLECTED if value & 1 else 0)
        _BY_BYTE.append(value)
    by_byte = _BY_BYTE
    for pair in range(65536):
        value = by_byte[pair & 0xFF]
        _BY_PAIR.append(by_byte[(value ^ (pair >> 8)) & 0xFF] ^ (value >> 8))


def crc32c_table(data: bytes, crc: int = 0) -> int:
    """CRC32C of `data`, going on from the CRC32C `crc` of what is before it."""
    if not _BY_PAIR:
        _make_tables()
    by_pair = _BY_PAIR
    value = crc ^ 0xFFFFFFFF
    count = len(data) // 2
    for pair in struct.unpack_from("<%dH" % count, data):
        value = by_pair[(value ^ pair) & 0xFFFF] ^ (value >> 16)
    if len(data) & 1:
        value = _BY_BYTE[(value ^ data[-1]) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


if _crc32c_package is not None:
    def crc32c(data: bytes, crc: int = 0) -> int:
        """CRC32C by the installed package."""
        return _crc32c_package.crc32c(data, crc)
else:
    crc32c = crc32c_table


def xxh3_128(data: bytes) -> int:
    """XXH3 with 128 bits, seed 0, default secret, as a number."""
    return xxhash.xxh3_128_intdigest(data)


def zstd_frame_end(data: bytes) -> int:
    """Where the zstd frame that `data` begins with ends, by the headers of the frame and of its blocks (RFC 8878)."""
    if bytes(data[:4]) != ZSTD_MAGIC or len(data) < 5:
        raise DecodeError("no zstd frame")
    descriptor = data[4]
    single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
    size_bytes = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + size_bytes
    last = 0
    while not last:
        if at + 3 > len(data):
            raise DecodeError("zstd frame is cut off")
        header = int.from_bytes(data[at:at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == ZSTD_REPEATED else size)
    return at + 4 * checksum


def unzstd(data: bytes, raw_len: int, limit: int) -> bytes:
    """What the one zstd frame `data` unpacks to: exactly `raw_len` bytes, at most `limit`."""
    if raw_len > limit:
        raise DecodeError("raw_len %d above the limit" % raw_len)
    if zstd_frame_end(data) != len(data):
        raise DecodeError("not exactly one zstd frame")
    try:
        size = zstandard.frame_content_size(data)
        if size not in (-1, raw_len):
            raise DecodeError("unpacks to %d bytes, not to %d" % (size, raw_len))
        unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        if size == raw_len and size > 0:
            raw = unpacker.decompress(data, max_output_size=raw_len, allow_extra_data=False)
        else:
            raw = _unzstd_unknown_size(unpacker, data, raw_len)
    except zstandard.ZstdError as error:
        raise DecodeError("zstd: %s" % error) from None
    if len(raw) != raw_len:
        raise DecodeError("unpacks to %d bytes, not to %d" % (len(raw), raw_len))
    return raw


def _unzstd_unknown_size(unpacker: "zstandard.ZstdDecompressor", data: bytes, raw_len: int) -> bytes:
    """For a zstd frame that does not say its size, or says 0: stop one byte past what is allowed."""
    with unpacker.stream_reader(data, read_across_frames=False) as stream:
        raw = stream.read(raw_len + 1)
        while len(raw) <= raw_len:
            more = stream.read(raw_len + 1 - len(raw))
            if not more:
                break
            raw += more
    return raw
