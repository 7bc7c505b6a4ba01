"""Bundles: a file header and members (FORMAT.md section 13)."""
from __future__ import annotations

import hashlib
import struct
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .checksums import crc32c
from .head import Head, read_head
from .manifest import read_manifest
from .primitives import U32, Damage, DecodeError, lowest_bit
from .records import BytesOf, ListOf, Record, TupleOf, read_record
from .rows import ROW_BYTES, Row, read_row
from .segment import Segment, read_segment

MAGIC = b"\x89INGERO\n"
MEMBER_MAGIC = b"INGM"
MANIFEST, SEGMENT, HEAD, OPEN, SYMBOLS, INDEX, END, USER_SYMBOLS = 1, 2, 3, 4, 5, 6, 7, 8
KIND_NAMES = {
    1: "Manifest", 2: "Segment", 3: "Head", 4: "Open", 5: "Symbols", 6: "Index", 7: "End", 8: "UserSymbols"}
HEADER_BYTES = 32
_FILE = struct.Struct("<8sHHIIQI")
_MEMBER = struct.Struct("<4sHHQQII")
SYMBOL_LIST = ListOf(TupleOf("u64", "string", "u64"))
MODULE = Record("Module", ("path", "string"), ("build_id", ListOf("u8")))
USER_FRAME = Record(
    "UserFrame", ("pid", "u32"), ("address", "u64"), ("module", "u32"), ("file_offset", "u64"), ("symbol", "string"),
    ("offset", "u64"), ("file", "string"), ("line", "u32"))
USER_SYMBOL_LISTS = Record("UserSymbols", ("modules", ListOf(MODULE)), ("frames", ListOf(USER_FRAME)))
INDEX_ENTRY = Record(
    "IndexEntry", ("kind", "u16"), ("number", "u64"), ("offset", "u64"), ("bytes", "u64"), ("sha256", BytesOf(32)))


class BundleHeader(NamedTuple):
    """The file header."""

    version: int
    incompat: int
    compat: int


class Member(NamedTuple):
    """One member: where its payload lies, and what is in it. `have` is less than `length` in a file cut short.

    `condition` is "whole", "cut" or "damaged"; `error` says why there is no content although there should be.
    """

    kind: int
    number: int
    offset: int
    length: int
    payload_crc: int
    have: int
    condition: str
    content: Any
    error: Optional[str]


class Bundle(NamedTuple):
    """What could be read of a bundle. `complete` says that its End was found."""

    header: Optional[BundleHeader]
    members: List[Member]
    damages: List[Damage]
    complete: bool
    notes: List[str]
    skipped: List[Tuple[int, int]]

    def first(self, kind: int) -> Optional[Member]:
        """The first member of a kind that is not damaged."""
        for member in self.members:
            if member.kind == kind and member.condition != "damaged":
                return member
        return None

    def index_member(self) -> Optional[Member]:
        """The first index that is whole and a record."""
        for member in self.members:
            if member.kind == INDEX and member.condition == "whole" and member.content is not None:
                return member
        return None


def read_file_header(data: bytes) -> BundleHeader:
    """Checks and reads the first 32 bytes."""
    if len(data) < HEADER_BYTES:
        raise DecodeError("shorter than a bundle header")
    magic, version, _, incompat, compat, _, crc = _FILE.unpack_from(data)
    if magic != MAGIC:
        raise DecodeError("not a bundle: wrong magic")
    if crc32c(data[:28]) != crc:
        raise DecodeError("bundle header: wrong checksum")
    if incompat:
        raise DecodeError("bundle header: unknown incompat bit %d" % lowest_bit(incompat))
    return BundleHeader(version, incompat, compat)


def read_open(payload: bytes) -> List[Optional[Row]]:
    """Rows of calls and intervals that had not ended, made with generation 0; None for one that does not verify."""
    return [read_row(payload, ROW_BYTES * i, 0) for i in range(len(payload) // ROW_BYTES)]


def _content(kind: int, payload: bytes) -> Any:
    """What the payload of a member says; None for kinds without a meaning here."""
    if kind == MANIFEST:
        return read_manifest(payload)
    if kind == SEGMENT:
        return read_segment(payload)
    if kind == HEAD:
        return read_head(payload)
    if kind == OPEN:
        return read_open(payload)
    if kind == SYMBOLS:
        return read_record(payload, SYMBOL_LIST)
    if kind == USER_SYMBOLS:
        return read_record(payload, USER_SYMBOL_LISTS)
    if kind == INDEX:
        return read_record(payload, ListOf(INDEX_ENTRY))
    return None


def _read_member(data: bytes, at: int) -> Member:
    """The member whose header is at `at`."""
    if len(data) - at < HEADER_BYTES:
        raise DecodeError("member header is cut off")
    magic, kind, _, number, length, payload_crc, crc = _MEMBER.unpack_from(data, at)
    if magic != MEMBER_MAGIC:
        raise DecodeError("no member begins here")
    if crc32c(data[at:at + 28]) != crc:
        raise DecodeError("member header: wrong checksum")
    start = at + HEADER_BYTES
    have = min(length, len(data) - start)
    payload = data[start:start + have]
    condition = "cut" if have < length else "whole"
    if kind != SEGMENT and condition == "whole" and crc32c(payload) != payload_crc:
        return Member(kind, number, start, length, payload_crc, have, "damaged", None, "payload: wrong checksum")
    content: Any = None
    error = "payload is cut off" if condition == "cut" else None
    try:
        content = _content(kind, payload)
    except DecodeError as problem:
        error = error or str(problem)
    return Member(kind, number, start, length, payload_crc, have, condition, content, error)


def _next_member(data: bytes, at: int) -> Optional[int]:
    """Where the next header of a member stands, in steps of 8 bytes from `at`, where there is none."""
    place = data.find(MEMBER_MAGIC, at + 1)
    while place >= 0:
        if (place - at) % 8 == 0 and len(data) - place >= HEADER_BYTES and crc32c(
                data[place:place + 28]) == U32.unpack_from(data, place + 28)[0]:
            return place
        place = data.find(MEMBER_MAGIC, place + 1)
    return None


def _inner_damages(member: Member) -> List[Damage]:
    """Damage inside a member, at its place in the bundle."""
    content = member.content
    found: List[Damage] = []
    if isinstance(content, (Segment, Head)):
        found = [Damage(member.offset + d.start, member.offset + d.end, d.reason) for d in content.damages]
    if isinstance(content, Segment):
        found += [Damage(member.offset + c.frame.offset, member.offset + c.frame.end, c.error or "")
                  for c in content.unreadable]
    if member.kind == OPEN and content is not None and None in content:
        found.append(Damage(member.offset, member.offset + member.have, "%d torn rows" % content.count(None)))
    return found


def _check_index(data: bytes, bundle: Bundle) -> List[str]:
    """Compares the index with the members before it."""
    index = bundle.index_member()
    if index is None:
        return []
    notes: List[str] = []
    before: Dict[int, Member] = {}
    for member in bundle.members:
        if member is index:
            break
        before[member.offset] = member
    for entry in index.content:
        found = before.get(entry["offset"])
        before.pop(entry["offset"], None)
        if found is None or (found.kind, found.number, found.length) != (
                entry["kind"], entry["number"], entry["bytes"]):
            notes.append("index: no such member at %d" % entry["offset"])
        elif hashlib.sha256(data[found.offset:found.offset + found.have]).digest() != entry["sha256"]:
            notes.append("index: wrong SHA-256 of the member at %d" % entry["offset"])
    return notes + ["index: nothing on the member at %d" % offset for offset in before]


def read_bundle(data: bytes) -> Bundle:
    """Reads members up to End or to the end of the file, past bytes that are none."""
    try:
        header = read_file_header(data)
    except DecodeError as error:
        return Bundle(None, [], [Damage(0, len(data), str(error))], False, [], [])
    members: List[Member] = []
    damages: List[Damage] = []
    skipped: List[Tuple[int, int]] = []
    at = HEADER_BYTES
    complete = False
    while at < len(data) and not complete:
        try:
            member = _read_member(data, at)
        except DecodeError as error:
            found = _next_member(data, at)
            end = len(data) if found is None else found
            damages.append(Damage(at, end, str(error)))
            if len(data) - at >= HEADER_BYTES:
                skipped.append((at, end))
            at = end
            continue
        members.append(member)
        if member.error is not None:
            damages.append(Damage(member.offset, member.offset + member.have, member.error))
        damages += _inner_damages(member)
        complete = member.kind == END
        at = member.offset + (member.length + 7) // 8 * 8
    bundle = Bundle(header, members, damages, complete, [], skipped)
    return bundle._replace(notes=_check_index(data, bundle))
