"""Reading integers, varints and byte ranges (FORMAT.md section 2), and the two ways to report trouble."""
from __future__ import annotations

import struct
from typing import List, NamedTuple, Tuple

U16 = struct.Struct("<H")
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
MASK64 = (1 << 64) - 1


class DecodeError(Exception):
    """Something cannot be read; the text says why. Never leaves the level of one file."""


class Damage(NamedTuple):
    """A range of bytes of a file that could not be read."""

    start: int
    end: int
    reason: str


class Cursor:
    """Takes values from the front of some bytes; every step is checked against what is left."""

    __slots__ = ("data", "pos", "end")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.end = len(data)

    def left(self) -> int:
        """Bytes not taken yet."""
        return self.end - self.pos

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.end - self.pos:
            raise DecodeError("ends too early")
        start = self.pos
        self.pos = start + count
        return self.data[start:self.pos]

    def number(self, size: int, signed: bool = False) -> int:
        """A little-endian integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def varint(self) -> int:
        """One varint (section 2)."""
        value, self.pos = varint(self.data, self.pos)
        return value

    def varints(self, count: int) -> List[int]:
        """`count` varints, one after the other."""
        values, self.pos = varints(self.data, self.pos, count)
        return values


def varint(data: bytes, pos: int) -> Tuple[int, int]:
    """The varint at `pos` and the place after it: at most 10 bytes, the tenth 0 or 1 (section 2)."""
    value = 0
    shift = 0
    end = len(data)
    while True:
        if pos >= end:
            raise DecodeError("varint ends too early")
        byte = data[pos]
        pos += 1
        if shift == 63 and byte > 1:
            raise DecodeError("varint above 64 bits")
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
        shift += 7


def varints(data: bytes, pos: int, count: int) -> Tuple[List[int], int]:
    """`count` varints from `pos` on. Runs of one-byte values, by far the most, are taken at once."""
    if count > len(data) - pos:
        raise DecodeError("varint ends too early")
    chunk = bytes(data[pos:pos + count])
    if chunk.isascii():
        return list(chunk), pos + count
    values: List[int] = []
    append = values.append
    end = len(data)
    for _ in range(count):
        if pos >= end:
            raise DecodeError("varint ends too early")
        byte = data[pos]
        if byte < 0x80:
            append(byte)
            pos += 1
        else:
            value, pos = varint(data, pos)
            append(value)
    return values, pos


def zigzag(value: int) -> int:
    """The signed number that an unsigned one stands for (section 2)."""
    return (value >> 1) ^ -(value & 1)


def lowest_bit(value: int) -> int:
    """Number of the lowest bit that is set."""
    return (value & -value).bit_length() - 1


def all_zero(data: bytes) -> bool:
    """Whether there is nothing but zeros."""
    return not any(data)
