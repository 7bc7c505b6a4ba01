"""Segments: header, scan, and what the frames say (FORMAT.md section 5)."""
from __future__ import annotations

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple, Union

from .checksums import crc32c
from .columns import decode_events
from .dictionary import CALL, MAX_TABLE_BYTES, THREAD, Dictionary, read_dictionary
from .footer import Footer, next_link, read_footer
from .frame import (DICTIONARY, EVENTS, FOOTER, MAGIC as FRAME_MAGIC, STATE, Frame, FrameHeader, Work, WorkLimit,
                    accept, check_readable, unpack_record)
from .primitives import U32, Damage, DecodeError, lowest_bit
from .rows import Row
from .state import read_state

MAGIC = b"\x89ISG\r\n\x1a\n"
_HEADER = struct.Struct("<8sHHIIIQQ16s16sQQQQ16s")


class SegmentHeader(NamedTuple):
    """The header's fields."""

    header_len: int
    version: int
    compat: int
    incompat: int
    tick_ns: int
    salt: int
    segment_seq: int
    ring_id: bytes
    boot_id: bytes
    epoch: int
    created_boot_ns: int
    created_real_ns: int
    uncertainty_ns: int
    chain_before: int


Step = Union[Frame, Damage]


class FrameContent(NamedTuple):
    """What was made of one accepted frame; `error` says why it could not be read, `chain` is the digest after it.

    `complete` says of an Events frame that the dictionary entries up to it are all there, used or not.
    """

    frame: Frame
    rows: List[Row]
    unnamed: int
    complete: bool
    state: Optional[Dict[str, Any]]
    footer: Optional[Footer]
    error: Optional[str]
    chain: int


class Segment(NamedTuple):
    """All that could be read of a segment.

    `end` is where the scan ended; `chain` the digest after the last frame if nothing is damaged; `threads` and `calls`
    say how many ids of the dictionaries have an entry.
    """

    header: Optional[SegmentHeader]
    steps: List[Step]
    contents: List[FrameContent]
    end: int
    chain: Optional[int]
    threads: int
    calls: int
    notes: List[str]

    @property
    def damages(self) -> List[Damage]:
        """The damage ranges among the steps."""
        return [step for step in self.steps if isinstance(step, Damage)]

    @property
    def unreadable(self) -> List[FrameContent]:
        """Good frames that could not be read."""
        return [content for content in self.contents if content.error is not None]

    @property
    def footer(self) -> Optional[Footer]:
        """The footer; only one can be readable."""
        found = [content.footer for content in self.contents if content.footer is not None]
        return found[0] if found else None


def read_header(data: bytes) -> SegmentHeader:
    """Checks and reads a segment's header."""
    if len(data) < 10:
        raise DecodeError("shorter than the begin of a segment header")
    if bytes(data[:8]) != MAGIC:
        raise DecodeError("not a segment: wrong magic")
    length = int.from_bytes(data[8:10], "little")
    if not 256 <= length <= 4096 or length % 8:
        raise DecodeError("segment header_len %d" % length)
    if length > len(data):
        raise DecodeError("segment header is cut off")
    if crc32c(data[:length - 4]) != U32.unpack_from(data, length - 4)[0]:
        raise DecodeError("segment header: wrong checksum")
    fields = _HEADER.unpack_from(data)
    header = SegmentHeader._make(fields[1:14] + (int.from_bytes(fields[14], "little"),))
    if header.incompat:
        raise DecodeError("segment header: unknown incompat bit %d" % lowest_bit(header.incompat))
    if not 1 <= header.tick_ns <= 1_000_000:
        raise DecodeError("segment header: tick of %d ns" % header.tick_ns)
    return header


def _next_frame(data: bytes, start: int, salt: int, least: int, work: Work) -> Optional[Frame]:
    """The next acceptable frame after `start`, in steps of 8 bytes."""
    at = data.find(FRAME_MAGIC, start + 1)
    while at >= 0:
        if (at - start) % 8 == 0:
            try:
                return accept(data, at, salt, least, work)
            except DecodeError:
                pass
        at = data.find(FRAME_MAGIC, at + 1)
    return None


def scan(data: bytes, header: SegmentHeader) -> Tuple[List[Step], int]:
    """Frames and damage from the header on, and where the written part ends."""
    steps: List[Step] = []
    size = len(data)
    written = len(data.rstrip(b"\0"))
    work = Work(size)
    at = header.header_len
    least = 0
    while at < written:
        reason = ""
        try:
            try:
                frame: Optional[Frame] = accept(data, at, header.salt, least, work)
            except DecodeError as error:
                reason = str(error)
                frame = _next_frame(data, at, header.salt, least, work)
        except WorkLimit:
            steps.append(Damage(at, size, "too much damage"))
            return steps, size
        if frame is None:
            steps.append(Damage(at, size, reason))
            return steps, size
        if frame.offset > at:
            steps.append(Damage(at, frame.offset, reason))
        steps.append(frame)
        least = frame.header.frame_seq + 1
        at = frame.end
    return steps, at


class Allowance:
    """What a segment may still bring: so many bytes of tables in Dictionary frames, and one Footer (section 7, 10)."""

    def __init__(self) -> None:
        self.table_bytes = MAX_TABLE_BYTES
        self.footer = True

    def dictionary(self, header: FrameHeader) -> None:
        """The next Dictionary frame; one that has no room left takes none."""
        if header.raw_len > self.table_bytes:
            raise DecodeError("dictionary frames of more than %d bytes together" % MAX_TABLE_BYTES)
        self.table_bytes -= header.raw_len

    def first_footer(self) -> None:
        """The next Footer."""
        if not self.footer:
            raise DecodeError("another Footer stands before it")
        self.footer = False


def _first_pass(frame: Frame, dictionary: Dictionary, allowance: Allowance, chain: int) -> FrameContent:
    """Reads every kind but Events; collects the dictionary."""
    state: Optional[Dict[str, Any]] = None
    footer: Optional[Footer] = None
    error: Optional[str] = None
    try:
        kind = frame.header.kind
        check_readable(frame.header)
        if kind == STATE:
            state = read_state(unpack_record(frame))
        elif kind == DICTIONARY:
            allowance.dictionary(frame.header)
            dictionary.add(read_dictionary(unpack_record(frame)))
        elif kind == FOOTER:
            allowance.first_footer()
            footer = read_footer(unpack_record(frame))
            dictionary.add(footer.tables)
    except DecodeError as problem:
        error = str(problem)
    return FrameContent(frame, [], 0, True, state, footer, error, chain)


def _has_entries(header: FrameHeader, dictionary: Dictionary) -> bool:
    """Whether every id below the counts that an Events frame gives has an entry."""
    return dictionary.has_all(THREAD, header.dict_threads) and dictionary.has_all(CALL, header.dict_calls)


def read_frames(data: bytes, frames: List[Frame], header: SegmentHeader,
                dictionary: Dictionary) -> List[FrameContent]:
    """What the frames say. The dictionary is collected from all of them before Events are read."""
    contents: List[FrameContent] = []
    allowance = Allowance()
    chain = header.chain_before
    for frame in frames:
        chain = next_link(chain, data[frame.offset:frame.end])
        contents.append(_first_pass(frame, dictionary, allowance, chain))
    for place, content in enumerate(contents):
        if content.frame.header.kind != EVENTS or content.error is not None:
            continue
        try:
            rows, unnamed = decode_events(content.frame, header.tick_ns, dictionary)
            contents[place] = content._replace(
                rows=rows, unnamed=unnamed, complete=_has_entries(content.frame.header, dictionary))
        except DecodeError as problem:
            contents[place] = content._replace(error=str(problem))
    return contents


def _check_dictionary_counts(contents: List[FrameContent]) -> List[str]:
    """Events frames say how far the dictionary had come; checked up to the first frame that is missing or lost."""
    known: Dict[int, Set[int]] = {THREAD: set(), CALL: set()}
    digest = 0
    notes: List[str] = []
    for number, content in enumerate(contents):
        header = content.frame.header
        if header.frame_seq != number or (header.kind == DICTIONARY and content.error is not None):
            break
        if header.kind == DICTIONARY:
            raw = unpack_record(content.frame)
            digest = crc32c(raw, digest)
            for table in read_dictionary(raw):
                known[table.column].update(range(table.base, table.base + len(table.entries)))
        elif header.kind == EVENTS and (header.dict_threads or header.dict_calls or header.dict_digest):
            said = (header.dict_threads, header.dict_calls, header.dict_digest)
            if said != (len(known[THREAD]), len(known[CALL]), digest):
                notes.append("frame %d: dictionary is not as it says" % header.frame_seq)
    return notes


def _check_chain(header: SegmentHeader, contents: List[FrameContent]) -> Tuple[int, List[str]]:
    """The chain after the last frame of an undamaged segment, and footers that do not agree with it."""
    chain = header.chain_before
    notes: List[str] = []
    for content in contents:
        if content.footer is not None and content.footer.chain != chain:
            notes.append("tampered: the footer's chain does not agree with the frames")
        chain = content.chain
    return chain, notes


def read_segment(data: bytes) -> Segment:
    """Reads a whole segment file, or as much of it as there is."""
    try:
        header = read_header(data)
    except DecodeError as error:
        return Segment(None, [Damage(0, len(data), str(error))], [], len(data), None, 0, 0, [])
    steps, end = scan(data, header)
    dictionary = Dictionary()
    contents = read_frames(data, [step for step in steps if isinstance(step, Frame)], header, dictionary)
    chain: Optional[int] = None
    notes: List[str] = []
    if not any(isinstance(step, Damage) for step in steps):
        chain, notes = _check_chain(header, contents)
    else:
        notes.append("the digest chain cannot be checked: the segment is damaged")
    notes += _check_dictionary_counts(contents)
    return Segment(header, steps, contents, end, chain, len(dictionary.of(THREAD)), len(dictionary.of(CALL)), notes)
