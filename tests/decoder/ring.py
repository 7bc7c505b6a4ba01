"""A ring, a frozen set or a bundle as a whole: one copy of every row, names, accounts (FORMAT.md sections 1, 4, 14)."""
from __future__ import annotations

import os
import re
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from .account import Accounts
from .bundle import HEAD, MANIFEST, OPEN, SEGMENT, Bundle, read_bundle
from .columns import source_of
from .frame import EVENTS
from .head import Head, read_head
from .identity import Identity, read_identity
from .meta import EpochMeta
from .primitives import Damage
from .rows import META, Row
from .segment import FrameContent, Segment, read_segment

Use = Tuple[int, int]  # epoch and generation: one use of a head slot
SEGMENT_NAME = re.compile(r"^[0-9]{20}\.seg$")


class NamedSegment(NamedTuple):
    """A segment with the name it goes by, and the number that name gives it."""

    name: str
    number: int
    segment: Segment


class Batch(NamedTuple):
    """Rows of one source and epoch from one frame or head slot."""

    epoch: int
    source: int
    rows: List[Row]


class Copies:
    """Which copy of the rows of each use of a head slot counts (section 1)."""

    def __init__(self, segments: Iterable[NamedSegment], head: Optional[Head]) -> None:
        self._counts: Dict[Use, Optional[int]] = {}
        held = {(slot.epoch, slot.generation) for slot in head.slots if slot.rows} if head is not None else set()
        complete: Set[Use] = set()
        for content, use in _uses(segments):
            if use not in complete and content.complete:
                complete.add(use)
                self._counts[use] = id(content)
            elif use not in self._counts:
                self._counts[use] = None if use in held else id(content)

    def frame_counts(self, epoch: int, content: FrameContent) -> bool:
        """Whether a readable Events frame is the copy that counts."""
        generation = content.frame.header.head_generation
        return generation == 0 or self._counts[epoch, generation] == id(content)

    def slot_counts(self, use: Use) -> bool:
        """Whether the head slot is the copy that counts."""
        return use[1] == 0 or self._counts.get(use) is None


def _uses(segments: Iterable[NamedSegment]) -> Iterator[Tuple[FrameContent, Use]]:
    """Readable Events frames that were made from a head slot, in the order of reading."""
    for named in segments:
        header = named.segment.header
        for content in named.segment.contents if header is not None else ():
            frame = content.frame.header
            if frame.kind == EVENTS and content.error is None and frame.head_generation:
                assert header is not None
                yield content, (header.epoch, frame.head_generation)


class Whole:
    """All that the files of a ring say together."""

    def __init__(self) -> None:
        self.identity: Optional[Identity] = None
        self.segments: List[NamedSegment] = []
        self.head: Optional[Head] = None
        self.bundle: Optional[Bundle] = None
        self.bundle_bytes = b""
        self.open_rows: List[Row] = []
        self.batches: List[Batch] = []
        self.frames: List[Tuple[int, int]] = []  # (segment number, frame_seq) of the Events frames that count
        self.slots: List[Use] = []  # head slots that count
        self.skipped_slots: List[int] = []
        self.skipped_frames: List[Tuple[int, int]] = []
        self.unnamed = 0
        self.unreadable_rows = 0
        self.meta: Dict[int, EpochMeta] = {}
        self.accounts = Accounts()
        self.damages: List[Tuple[str, Damage]] = []
        self.notes: List[str] = []

    def epoch_meta(self, epoch: int) -> EpochMeta:
        """What is known of an epoch."""
        return self.meta.setdefault(epoch, EpochMeta())


def _add_batch(whole: Whole, batch: Batch) -> None:
    """Takes rows into names and accounts."""
    whole.batches.append(batch)
    if batch.source == META:
        meta = whole.epoch_meta(batch.epoch)
        known = len(meta.losses)
        meta.add_rows(batch.rows)
        whole.accounts.add_losses(batch.epoch, meta.losses[known:])
    else:
        whole.accounts.add_rows(batch.epoch, batch.source, batch.rows)


def _add_segment(whole: Whole, named: NamedSegment, copies: Copies, complete: bool) -> bool:
    """Rows and state of one segment. Says whether all its rows were taken from its frames."""
    segment = named.segment
    header = segment.header
    assert header is not None
    states = [content.state for content in segment.contents if content.state is not None]
    whole.accounts.begin_segment(header.epoch, header.segment_seq, states[0] if states else None, complete)
    for state in states:
        whole.epoch_meta(header.epoch).add_state(state)
    all_taken = True
    for content in segment.contents:
        frame = content.frame.header
        if frame.kind != EVENTS:
            continue
        if content.error is not None:
            whole.unreadable_rows += frame.n_events
        elif copies.frame_counts(header.epoch, content):
            whole.frames.append((named.number, frame.frame_seq))
            whole.unnamed += content.unnamed
            _add_batch(whole, Batch(header.epoch, source_of(frame.sources), content.rows))
        else:
            whole.skipped_frames.append((named.number, frame.frame_seq))
            all_taken = False
    return all_taken


def _add_segments(whole: Whole, copies: Copies) -> None:
    """All segments by rising number."""
    complete = True
    before: Optional[NamedSegment] = None
    last: Optional[int] = None
    for named in whole.segments:
        segment = named.segment
        header = segment.header
        whole.damages += [(named.name, damage) for damage in segment.damages]
        whole.damages += [(named.name, Damage(c.frame.offset, c.frame.end, c.error or "")) for c in segment.unreadable]
        whole.notes += ["%s: %s" % (named.name, note) for note in segment.notes]
        if last is not None and named.number != last + 1:
            whole.notes.append("segments %d to %d are missing" % (last + 1, named.number - 1))
            complete = False
        last = named.number
        if header is None:
            complete = False
            before = None
            continue
        if header.segment_seq != named.number:
            whole.notes.append("%s: says it is segment %d" % (named.name, header.segment_seq))
        _check_link(whole, before, named)
        all_taken = _add_segment(whole, named, copies, complete)
        complete = complete and all_taken and not segment.damages and not segment.unreadable
        before = named


def _check_link(whole: Whole, before: Optional[NamedSegment], named: NamedSegment) -> None:
    """The chain goes on from segment to segment (section 10)."""
    if before is None or before.segment.chain is None or named.segment.header is None:
        return
    if named.number == before.number + 1 and named.segment.header.chain_before != before.segment.chain:
        whole.notes.append("%s: tampered: %s does not go on from its chain" % (before.name, named.name))


def _add_head(whole: Whole, copies: Copies, name: str) -> None:
    """Head slots but for those without a row, and those whose rows are taken from a frame."""
    if whole.head is None:
        return
    whole.damages += [(name, damage) for damage in whole.head.damages]
    for slot in whole.head.slots:
        use = (slot.epoch, slot.generation)
        if not slot.rows:
            continue
        if copies.slot_counts(use):
            whole.slots.append(use)
            _add_batch(whole, Batch(slot.epoch, slot.source, slot.rows))
        else:
            whole.skipped_slots.append(slot.place)


def _put_together(whole: Whole) -> None:
    """Rows, names and accounts out of the segments and the head."""
    whole.segments.sort(key=lambda item: item.number)
    copies = Copies(whole.segments, whole.head)
    _add_segments(whole, copies)
    _add_head(whole, copies, "head")


def _read(whole: Whole, path: str, name: str) -> Optional[bytes]:
    """A file's bytes; None if it is gone or cannot be read, as may be in a ring that is being written."""
    try:
        with open(os.path.join(path, name), "rb") as file:
            return file.read()
    except OSError as error:
        whole.notes.append("%s: %s" % (name, error.strerror))
        return None


def read_ring(path: str) -> Whole:
    """A ring directory, or a frozen set: segments, head, and RING or MANIFEST."""
    whole = Whole()
    names = sorted(os.listdir(path))
    for name in names:
        if name not in ("RING", "MANIFEST", "head") and not SEGMENT_NAME.match(name):
            continue
        data = _read(whole, path, name)
        if data is None:
            continue
        if name == "RING":
            whole.identity, damages = read_identity(data)
            whole.damages += [(name, damage) for damage in damages]
        elif name == "MANIFEST":
            whole.bundle = read_bundle(data)
            whole.bundle_bytes = data
            whole.damages += [(name, damage) for damage in whole.bundle.damages]
        elif name == "head":
            whole.head = read_head(data)
        else:
            whole.segments.append(NamedSegment(name, int(name[:20]), read_segment(data)))
    _put_together(whole)
    _check_ring_ids(whole)
    return whole


def _check_ring_ids(whole: Whole) -> None:
    """Segments should be of this ring."""
    if whole.identity is None:
        return
    for named in whole.segments:
        header = named.segment.header
        if header is not None and header.ring_id != whole.identity.ring_id:
            whole.notes.append("%s: belongs to another ring" % named.name)


def whole_bundle(bundle: Bundle) -> Whole:
    """The same for what a bundle holds."""
    whole = Whole()
    whole.bundle = bundle
    for member in bundle.members:
        if member.kind == SEGMENT and member.content is not None:
            whole.segments.append(NamedSegment("segment %d" % member.number, member.number, member.content))
    head, still_open = bundle.first(HEAD), bundle.first(OPEN)
    whole.head = None if head is None else head.content
    if still_open is not None:
        whole.open_rows = [row for row in still_open.content if row is not None]
    _put_together(whole)
    whole.damages = [("bundle", damage) for damage in bundle.damages]
    whole.notes += bundle.notes
    if not bundle.complete and any(member.kind != MANIFEST for member in bundle.members):
        whole.notes.append("bundle has no End: it is cut off or still being written")
    manifest = bundle.first(MANIFEST)
    if manifest is None or manifest.content is None:
        whole.notes.append("bundle has no readable manifest")
    return whole


def all_rows(whole: Whole) -> Iterable[Tuple[int, int, Row]]:
    """(epoch, source, row) of every row, doubles left out."""
    for batch in whole.batches:
        for row in batch.rows:
            yield batch.epoch, batch.source, row
