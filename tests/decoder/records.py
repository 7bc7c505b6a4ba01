"""Records: fields without names or tags (FORMAT.md section 8), and those of more than one place (section 9)."""
from __future__ import annotations

import struct
from typing import Any, Dict, Tuple

from .primitives import Cursor, DecodeError

MAX_RECORD = 16 << 20
_INTEGERS = {"u8": (1, False), "u16": (2, False), "u32": (4, False), "u64": (8, False), "i32": (4, True)}


class Record:
    """Fields in the order of the bytes, each a name and a type."""

    def __init__(self, name: str, *fields: Tuple[str, Any]) -> None:
        self.name = name
        self.fields = fields


class ListOf:
    """A u64 count, then the items."""

    def __init__(self, item: Any) -> None:
        self.item = item


class OptionOf:
    """One byte, 0 or 1; after 1 the value."""

    def __init__(self, item: Any) -> None:
        self.item = item


class TupleOf:
    """Its parts in order."""

    def __init__(self, *items: Any) -> None:
        self.items = items


class BytesOf:
    """A fixed number of bytes without a count."""

    def __init__(self, count: int) -> None:
        self.count = count


class ChoiceOf:
    """A u32 number of the variant, then its fields."""

    def __init__(self, variants: Dict[int, Record]) -> None:
        self.variants = variants


def smallest(kind: Any) -> int:
    """The least number of bytes a value takes; a count of items is checked with it before anything is read."""
    if isinstance(kind, Record):
        return sum(smallest(field) for _, field in kind.fields)
    if isinstance(kind, TupleOf):
        return sum(smallest(item) for item in kind.items)
    if isinstance(kind, BytesOf):
        return kind.count
    if isinstance(kind, OptionOf):
        return 1
    if isinstance(kind, ChoiceOf):
        return 4
    if kind in _INTEGERS:
        return _INTEGERS[kind][0]
    return 8


def read_value(cursor: Cursor, kind: Any) -> Any:
    """One value of any type."""
    if isinstance(kind, str):
        return _read_plain(cursor, kind)
    if isinstance(kind, Record):
        return {name: read_value(cursor, field) for name, field in kind.fields}
    if isinstance(kind, ListOf):
        count = cursor.number(8)
        if count * smallest(kind.item) > cursor.left():
            raise DecodeError("list of %d items is cut off" % count)
        return [read_value(cursor, kind.item) for _ in range(count)]
    if isinstance(kind, TupleOf):
        return tuple(read_value(cursor, item) for item in kind.items)
    if isinstance(kind, BytesOf):
        return cursor.take(kind.count)
    if isinstance(kind, OptionOf):
        there = cursor.number(1)
        if there > 1:
            raise DecodeError("option byte %d" % there)
        return read_value(cursor, kind.item) if there else None
    variant = cursor.number(4)
    if variant not in kind.variants:
        raise DecodeError("variant %d" % variant)
    return kind.variants[variant].name, read_value(cursor, kind.variants[variant])


def _read_plain(cursor: Cursor, kind: str) -> Any:
    """Integers, floating point and strings."""
    if kind == "string":
        length = cursor.number(8)
        try:
            return bytes(cursor.take(length)).decode("utf-8")
        except UnicodeDecodeError:
            raise DecodeError("string is not UTF-8") from None
    if kind == "f64":
        return struct.unpack("<d", cursor.take(8))[0]
    size, signed = _INTEGERS[kind]
    return cursor.number(size, signed)


def record_cursor(data: bytes) -> Cursor:
    """At the begin of a record, which must not be longer than any may be."""
    if len(data) > MAX_RECORD:
        raise DecodeError("record of %d bytes" % len(data))
    return Cursor(data)


def read_record(data: bytes, kind: Any) -> Any:
    """A record that must fill `data` exactly."""
    cursor = record_cursor(data)
    value = read_value(cursor, kind)
    if cursor.left():
        raise DecodeError("%d bytes left over" % cursor.left())
    return value


PROCESS = Record(
    "Process", ("pid", "u32"), ("start_ns", "u64"), ("covered_ns", "u64"), ("comm", "string"), ("exe", "string"),
    ("cgroup", "string"), ("libraries", ListOf("string")))
