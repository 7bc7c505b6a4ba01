"""A segment's dictionary: Dictionary frames and the tables in its footer (FORMAT.md sections 7 and 10)."""
from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from .primitives import Cursor, DecodeError

THREAD, CALL = 5, 7
WIDTHS = {THREAD: (32, 32), CALL: (16, 16, 32, 32, 64, 64)}
MAX_ENTRIES = 65536
MAX_TABLE_BYTES = 524288
Entry = Tuple[int, ...]


class Table(NamedTuple):
    """Entries of one column, numbered from `base`."""

    column: int
    base: int
    entries: List[Entry]


def read_tuples(cursor: Cursor, count: int, widths: Tuple[int, ...]) -> List[Entry]:
    """`count` tuples of varints; a value wider than its field is taken modulo 2^width."""
    flat = cursor.varints(count * len(widths))
    for place, width in enumerate(widths):
        column = flat[place::len(widths)]
        if column and max(column) >> width:
            mask = (1 << width) - 1
            flat[place::len(widths)] = [value & mask for value in column]
    return list(zip(*[iter(flat)] * len(widths)))


def read_tables(cursor: Cursor) -> List[Table]:
    """Tables up to the end of the bytes."""
    if cursor.left() > MAX_TABLE_BYTES:
        raise DecodeError("tables of %d bytes" % cursor.left())
    tables: List[Table] = []
    while cursor.left():
        column = cursor.number(1)
        if column not in WIDTHS:
            raise DecodeError("dictionary of column %d" % column)
        base = cursor.varint()
        count = cursor.varint()
        if count == 0:
            raise DecodeError("dictionary table without entries")
        if base + count > MAX_ENTRIES:
            raise DecodeError("dictionary above %d entries" % MAX_ENTRIES)
        entries = read_tuples(cursor, count, WIDTHS[column])
        tables.append(Table(column, base, entries))
    return tables


def read_dictionary(raw: bytes) -> List[Table]:
    """The unpacked payload of a Dictionary frame: one table or more."""
    tables = read_tables(Cursor(raw))
    if not tables:
        raise DecodeError("dictionary frame without a table")
    return tables


class Dictionary:
    """The union of all tables of a segment. An id with two different tuples has no entry."""

    def __init__(self) -> None:
        self._entries: Dict[int, Dict[int, Entry]] = {THREAD: {}, CALL: {}}
        self._disputed: Dict[int, Set[int]] = {THREAD: set(), CALL: set()}

    def add(self, tables: List[Table]) -> None:
        """Takes the entries of one Dictionary frame or of the footer."""
        for table in tables:
            known = self._entries[table.column]
            disputed = self._disputed[table.column]
            for number, entry in enumerate(table.entries, table.base):
                if number in disputed:
                    continue
                if known.setdefault(number, entry) != entry:
                    del known[number]
                    disputed.add(number)

    def get(self, column: int, number: int) -> Optional[Entry]:
        """The entry, or None if the reader has none."""
        return self._entries[column].get(number)

    def of(self, column: int) -> Dict[int, Entry]:
        """All entries of a column."""
        return self._entries[column]

    def has_all(self, column: int, count: int) -> bool:
        """Whether all ids below `count` have an entry."""
        known = self._entries[column]
        return len(known) >= count and all(number in known for number in range(count))

    def disputed(self) -> int:
        """How many ids have two different tuples."""
        return sum(len(ids) for ids in self._disputed.values())
