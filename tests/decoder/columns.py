"""The payload of Events frames (FORMAT.md section 7)."""
from __future__ import annotations

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from .checksums import unzstd
from .dictionary import CALL, THREAD, WIDTHS, Dictionary, Entry, read_tuples
from .frame import Frame, check_readable
from .primitives import MASK64, Cursor, DecodeError, lowest_bit, varints, zigzag
from .rows import NUMBER_MASK, Row

END, DURATION, CPU, SEQ, KIND, ARG0, ARG1 = 1, 2, 3, 4, 6, 8, 9
VARINT, SPLIT, TUPLES, SEGMENT_TUPLES, CHAINED, CENTRED = 1, 2, 3, 4, 5, 6
KNOWN = {
    (END, SPLIT), (DURATION, SPLIT), (CPU, VARINT), (SEQ, VARINT), (THREAD, TUPLES), (THREAD, SEGMENT_TUPLES),
    (KIND, TUPLES), (CALL, TUPLES), (CALL, SEGMENT_TUPLES), (ARG0, SPLIT), (ARG1, TUPLES),
    (DURATION, CHAINED), (END, CENTRED), (DURATION, CENTRED), (ARG0, CENTRED),
}
TUPLE_WIDTHS = {THREAD: WIDTHS[THREAD], KIND: (16, 16, 32, 32), CALL: WIDTHS[CALL], ARG1: (64,)}
MAX_ROWS = 65536
MAX_BLOCK = 16 << 20
_TOP = struct.Struct("<HHI")
_ENTRY = struct.Struct("<BBHII")


class Column(NamedTuple):
    """One column's values, one for each row, as its encoding has them."""

    encoding: int
    values: List[Any]


class Part(NamedTuple):
    """One column's bytes."""

    column: int
    encoding: int
    block: bytes
    raw: bytes


def split_parts(frame: Frame) -> List[Part]:
    """Unpacks the block and cuts block and raw area into the columns' parts."""
    payload = frame.payload
    if len(payload) < _TOP.size:
        raise DecodeError("payload ends in its header")
    count, _, packed = _TOP.unpack_from(payload)
    block_at = _TOP.size + count * _ENTRY.size
    if block_at + packed > len(payload):
        raise DecodeError("payload ends in its columns")
    entries = [_ENTRY.unpack_from(payload, _TOP.size + i * _ENTRY.size) for i in range(count)]
    for column, encoding, _, _, _ in entries:
        if (column, encoding) not in KNOWN:
            raise DecodeError("unknown column %d with encoding %d" % (column, encoding))
    columns = {entry[0] for entry in entries}
    if len(columns) != count:
        raise DecodeError("a column comes twice")
    if CALL in columns and columns & {KIND, ARG0, ARG1}:
        raise DecodeError("column 7 beside 6, 8 or 9")
    block = Cursor(unzstd(payload[block_at:block_at + packed], frame.header.raw_len, MAX_BLOCK))
    raw = Cursor(payload, block_at + packed)
    return [Part(column, encoding, block.take(block_bytes), raw.take(raw_bytes))
            for column, encoding, _, block_bytes, raw_bytes in entries]


def decode_split(part: Part, rows: int) -> List[int]:
    """Encoding 2: a class byte for each row, then raw bits, least significant first."""
    classes = part.block
    if len(classes) < rows:
        raise DecodeError("split column ends too early")
    raw = part.raw
    limit = len(raw) * 8
    bit = 0
    values: List[int] = []
    for number in classes[:rows]:
        if number < 8:
            values.append(number)
            continue
        if number > 251:
            raise DecodeError("split class %d" % number)
        width = (number - 4) >> 2
        if bit + width > limit:
            raise DecodeError("raw bits end too early")
        at = bit >> 3
        bits = int.from_bytes(raw[at:at + 9], "little") >> (bit & 7)
        values.append(((4 + (number & 3)) << width) + (bits & ((1 << width) - 1)))
        bit += width
    return values


def decode_centred(part: Part, rows: int) -> List[int]:
    """Encoding 6: a centre, then the zigzag of each value's distance from it as in encoding 2."""
    cursor = Cursor(part.block)
    centre = cursor.varint()
    distances = decode_split(part._replace(block=part.block[cursor.pos:]), rows)
    return [(centre + zigzag(distance)) & MASK64 for distance in distances]


def decode_tuples(part: Part, rows: int) -> List[Entry]:
    """Encoding 3: a dictionary that lives in this frame only."""
    widths = TUPLE_WIDTHS[part.column]
    cursor = Cursor(part.block)
    count = cursor.varint()
    if count > rows:
        raise DecodeError("more dictionary entries than rows")
    entries = read_tuples(cursor, count, widths)
    indices = cursor.varints(rows)
    if max(indices) >= count:
        raise DecodeError("dictionary index above the count")
    return [entries[index] for index in indices]


def decode_segment_tuples(part: Part, rows: int, dictionary: Dictionary, unnamed: Set[int]) -> List[Entry]:
    """Encoding 4: ids of the segment's dictionary. Rows with an id that has no entry go into `unnamed`."""
    ids, _ = varints(part.block, 0, rows)
    known = dictionary.of(part.column)
    nothing = (0,) * len(WIDTHS[part.column])
    entries: List[Entry] = []
    for row, number in enumerate(ids):
        entry = known.get(number)
        if entry is None:
            unnamed.add(row)
            entry = nothing
        entries.append(entry)
    return entries


def decode_origins(cpus: List[int], deltas: List[int]) -> List[int]:
    """CPU and number of each row; a number is told as the difference from the one expected on its CPU."""
    if max(cpus) > 65535:
        raise DecodeError("CPU above 65535")
    expected: Dict[int, int] = {}
    origins: List[int] = []
    for cpu, delta in zip(cpus, deltas):
        number = (expected.get(cpu, 0) + zigzag(delta)) & NUMBER_MASK
        expected[cpu] = number + 1
        origins.append(cpu << 48 | number)
    return origins


def decode_ends(first_ns: int, steps: List[int], tick: int) -> List[int]:
    """Steps from the row before, in ticks."""
    ends: List[int] = []
    end = first_ns
    for step in steps:
        end = (end + step * tick) & MASK64
        ends.append(end)
    return ends


def decode_durations(column: Optional[Column], ends: List[int], cpus: List[int], first_ns: int,
                     tick: int) -> List[int]:
    """Durations in ns. Chained ones tell how far a row's start is from the end of the row before on its CPU."""
    if column is None:
        return [0] * len(ends)
    if column.encoding != CHAINED:
        return [(value * tick) & MASK64 for value in column.values]
    before: Dict[int, int] = {}
    durations: List[int] = []
    for value, end, cpu in zip(column.values, ends, cpus):
        durations.append((end - before.get(cpu, first_ns) - zigzag(value) * tick) & MASK64)
        before[cpu] = end
    return durations


def _decode_part(part: Part, rows: int, dictionary: Dictionary, unnamed: Set[int]) -> list:
    """The values of one column."""
    if part.encoding == VARINT:
        return varints(part.block, 0, rows)[0]
    if part.encoding in (SPLIT, CHAINED):
        return decode_split(part, rows)
    if part.encoding == CENTRED:
        return decode_centred(part, rows)
    if part.encoding == TUPLES:
        return decode_tuples(part, rows)
    return decode_segment_tuples(part, rows, dictionary, unnamed)


def _signed(value: int) -> int:
    """The i32 with the bits of a u32."""
    return value - (1 << 32) if value >> 31 else value


def decode_events(frame: Frame, tick: int, dictionary: Dictionary) -> Tuple[List[Row], int]:
    """The rows of an Events frame, and how many of them lack their thread or call."""
    header = frame.header
    check_readable(header)
    count = header.n_events
    if not 1 <= count <= MAX_ROWS:
        raise DecodeError("%d rows" % count)
    unnamed: Set[int] = set()
    got = {part.column: Column(part.encoding, _decode_part(part, count, dictionary, unnamed))
           for part in split_parts(frame)}
    nothing = (0, 0, 0, 0, 0, 0)

    def values(column: int, otherwise: Any = 0) -> List[Any]:
        """A column's values; for one that is missing the same in every row."""
        return got[column].values if column in got else [otherwise] * count

    ends = decode_ends(header.first_ns, values(END), tick)
    cpus = values(CPU)
    origins = decode_origins(cpus, values(SEQ))
    durations = decode_durations(got.get(DURATION), ends, cpus, header.first_ns, tick)
    threads = values(THREAD, nothing[:2])
    if CALL in got:
        calls = values(CALL)
    else:
        kinds, arg1 = values(KIND, nothing[:4]), values(ARG1, nothing[:1])
        calls = [kind + (a0,) + a1 for kind, a0, a1 in zip(kinds, values(ARG0), arg1)]
    rows = [
        Row(end, dur, thread[0], thread[1], call[4], call[5], origin, call[0], call[1], _signed(call[2]), call[3])
        for end, dur, thread, call, origin in zip(ends, durations, threads, calls, origins)
    ]
    return rows, len(unnamed)


def source_of(sources: int) -> int:
    """The source of an Events frame."""
    return lowest_bit(sources)
