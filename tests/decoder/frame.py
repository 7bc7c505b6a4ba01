"""Frames: header, acceptance, payload, trailer (FORMAT.md section 6)."""
from __future__ import annotations

import struct
from typing import NamedTuple, Tuple

from .checksums import crc32c, unzstd
from .primitives import U32, U64, DecodeError, lowest_bit

MAGIC = b"\x89IFR\r\n\x1a\n"
EVENTS, DICTIONARY, STATE, FOOTER = 1, 2, 3, 4
CODEC_OF = {EVENTS: 1, DICTIONARY: 2, STATE: 2, FOOTER: 2}
KIND_NAMES = {EVENTS: "Events", DICTIONARY: "Dictionary", STATE: "State", FOOTER: "Footer"}
MIN_HEADER = 128
MAX_HEADER = 4096
MAX_PAYLOAD = 32 << 20
MAX_RECORD = 32 << 20
_HEADER = struct.Struct("<8sHHBBHIHHQQQQIIIIIIQQ24xI")


class FrameHeader(NamedTuple):
    """The fields of a header of any kind."""

    header_len: int
    minor: int
    kind: int
    codec: int
    flags: int
    sources: int
    schema: int
    dict_id: int
    salt: int
    frame_seq: int
    first_ns: int
    last_ns: int
    n_events: int
    raw_len: int
    payload_len: int
    dict_threads: int
    dict_calls: int
    dict_digest: int
    lost_before: int
    head_generation: int
    payload_crc: int


class Frame(NamedTuple):
    """An accepted frame and where it lies."""

    offset: int
    end: int
    header: FrameHeader
    payload: bytes


class WorkLimit(Exception):
    """The bound on checksums computed in vain is passed (section 5, scanning)."""


class Work:
    """Adds up the bytes of checksums computed at places where no frame was accepted."""

    def __init__(self, file_bytes: int) -> None:
        self.limit = 16 * file_bytes + (1 << 20)
        self.spent = 0

    def in_vain(self, count: int) -> None:
        """At one place checksums over `count` bytes were computed, and no frame was accepted."""
        self.spent += count
        if self.spent > self.limit:
            raise WorkLimit()


def accept(data: bytes, at: int, salt: int, least_seq: int, work: Work) -> Frame:
    """The frame at `at` if it is whole and good, else DecodeError."""
    if len(data) - at < MIN_HEADER:
        raise DecodeError("no room for a frame header")
    fields = _HEADER.unpack_from(data, at)
    if fields[0] != MAGIC:
        raise DecodeError("no frame begins here")
    header = FrameHeader._make(fields[1:])
    _check_header_sum(data, at, header.header_len, work)
    summed = header.header_len
    try:
        payload, end = _find_payload(data, at, header, salt, least_seq)
        summed += header.payload_len
        if crc32c(payload) != header.payload_crc:
            raise DecodeError("frame payload has a wrong checksum")
    except DecodeError:
        work.in_vain(summed)
        raise
    return Frame(at, end, header, payload)


def _find_payload(data: bytes, at: int, header: FrameHeader, salt: int, least_seq: int) -> Tuple[bytes, int]:
    """What must hold between the two checksums; the payload and the frame's end."""
    if header.payload_len > MAX_PAYLOAD:
        raise DecodeError("frame payload of %d bytes" % header.payload_len)
    if header.salt != salt:
        raise DecodeError("frame has another salt")
    if header.frame_seq < least_seq:
        raise DecodeError("frame_seq %d is not above the one before" % header.frame_seq)
    payload_at = at + header.header_len
    payload_end = payload_at + header.payload_len
    trailer_at = payload_at + (header.payload_len + 7) // 8 * 8
    if trailer_at + 8 > len(data):
        raise DecodeError("frame is cut off")
    if U64.unpack_from(data, trailer_at)[0] != header.frame_seq ^ salt:
        raise DecodeError("frame has a wrong trailer")
    return data[payload_at:payload_end], trailer_at + 8


def _check_header_sum(data: bytes, at: int, length: int, work: Work) -> None:
    """The header's length and checksum."""
    if not MIN_HEADER <= length <= MAX_HEADER or length % 8:
        raise DecodeError("frame header_len %d" % length)
    if at + length > len(data):
        raise DecodeError("frame header is cut off")
    if crc32c(data[at:at + length - 4]) != U32.unpack_from(data, at + length - 4)[0]:
        work.in_vain(length)
        raise DecodeError("frame header has a wrong checksum")


def check_readable(header: FrameHeader) -> None:
    """What makes a good frame unreadable before its contents are looked at."""
    incompat = header.flags & 0xFF00
    if incompat:
        raise DecodeError("incompatible frame flag bit %d" % lowest_bit(incompat))
    wanted = CODEC_OF.get(header.kind)
    if wanted is not None and header.codec != wanted:
        raise DecodeError("codec %d for kind %d" % (header.codec, header.kind))
    if header.kind == EVENTS and header.sources not in (1, 2, 4, 8, 16):
        raise DecodeError("sources %#x, not one" % header.sources)


def unpack_record(frame: Frame) -> bytes:
    """The unpacked payload of a frame with codec 2."""
    check_readable(frame.header)
    return unzstd(frame.payload, frame.header.raw_len, MAX_RECORD)
