"""The text that the command line prints without --json."""
from __future__ import annotations

from collections import Counter
from typing import List, Optional

from .bundle import KIND_NAMES as MEMBER_NAMES, Bundle
from .files import Opened
from .frame import KIND_NAMES
from .head import Head
from .identity import Identity
from .meta import CAUSES
from .ring import Whole
from .rows import SOURCES
from .segment import Segment


def _identity(value: Optional[Identity]) -> List[str]:
    """A RING file in a line."""
    if value is None:
        return ["identity that cannot be read"]
    return ["ring %s, generation %d, segments of %d bytes, held by process %d" % (
        value.ring_id.hex(), value.generation, value.segment_bytes, value.holder_pid)]


def _segment(value: Segment) -> List[str]:
    """A segment in a few lines."""
    header = value.header
    if header is None:
        return ["segment that cannot be read"]
    kinds = Counter(KIND_NAMES.get(content.frame.header.kind, "unknown") for content in value.contents)
    return [
        "segment %d of ring %s, epoch %d, tick %d ns" % (
            header.segment_seq, header.ring_id.hex(), header.epoch, header.tick_ns),
        "  frames: " + ", ".join("%d %s" % (count, name) for name, count in sorted(kinds.items())),
        "  %d rows, %d unnamed; %d threads, %d calls; scanned up to %d; %s" % (
            sum(len(content.rows) for content in value.contents), sum(content.unnamed for content in value.contents),
            value.threads, value.calls, value.end, "closed" if value.footer else "no footer"),
    ] + ["  note: " + note for note in value.notes]


def _head(value: Head) -> List[str]:
    """A head in a few lines."""
    return ["head, %d slots given up" % value.given_up] + [
        "  slot %d: generation %d, epoch %d, %s, %d rows, %d torn" % (
            slot.place, slot.generation, slot.epoch, SOURCES[slot.source], len(slot.rows), slot.torn)
        for slot in value.slots]


def _bundle(value: Bundle) -> List[str]:
    """A bundle in a few lines."""
    lines = ["bundle, %s" % ("complete" if value.complete else "without an End")]
    for member in value.members:
        lines.append("  %s %d: %d bytes%s" % (
            MEMBER_NAMES.get(member.kind, "kind %d" % member.kind), member.number, member.length,
            ", " + member.error if member.error else ""))
    return lines


def _whole(whole: Whole) -> List[str]:
    """All files together: rows by source, names, losses, accounts."""
    counts: Counter = Counter()
    for batch in whole.batches:
        counts[batch.source] += len(batch.rows)
    lines = ["%d segments; rows: %s" % (len(whole.segments), ", ".join(
        "%d %s" % (counts[source], SOURCES[source] if source < len(SOURCES) else "source %d" % source)
        for source in sorted(counts)) or "none")]
    if whole.skipped_slots:
        lines.append("head slots whose rows are in a frame: %s" % whole.skipped_slots)
    if whole.skipped_frames:
        lines.append("frames whose rows are taken from another place: %s" % ", ".join(
            "%d of segment %d" % (frame, segment) for segment, frame in whole.skipped_frames))
    if whole.open_rows:
        lines.append("%d open rows" % len(whole.open_rows))
    if whole.unnamed or whole.unreadable_rows:
        lines.append("%d rows without thread or call, %d rows in unreadable frames" % (
            whole.unnamed, whole.unreadable_rows))
    for epoch, meta in sorted(whole.meta.items()):
        lines.append("epoch %d: %d threads named, %d stacks, %d texts, %d handles, %d anchors, %d incomplete" % (
            epoch, len(meta.tasks), len(meta.stacks()), len(meta.texts()), len(meta.handles()), len(meta.anchors),
            meta.incomplete()))
        for loss in meta.losses:
            lines.append("  lost: %d of source %d, cpu %d, from %d on, %s" % (
                loss.missing, loss.source, loss.cpu, loss.first, CAUSES.get(loss.cause, "cause %d" % loss.cause)))
    for (epoch, cpu, source), account in sorted(whole.accounts.lanes.items()):
        lines.append("account epoch %d cpu %d source %d: %d issued = %d rows + %d lost + %d evicted%s" % (
            epoch, cpu, source, account.issued, account.rows, account.lost, account.evicted,
            ("" if account.balance() == 0 else ", %d UNACCOUNTED" % account.balance())
            + (", %d TWICE" % account.twice if account.twice else "")))
    for (epoch, source), count in sorted(whole.accounts.unattributed.items()):
        lines.append("lost on an unknown CPU, epoch %d source %d: %d" % (epoch, source, count))
    return lines + ["note: " + note for note in whole.notes + whole.accounts.notes]


def text(opened: Opened) -> str:
    """The summary of whatever was read."""
    lines: List[str] = []
    if opened.kind == "segment":
        lines += _segment(opened.found)
    elif opened.kind == "head":
        lines += _head(opened.found)
    elif opened.kind == "ring":
        lines += _identity(opened.found)
    elif opened.kind == "bundle":
        lines += _bundle(opened.found)
    if opened.whole is not None:
        lines += _whole(opened.whole)
    for name, damage in opened.damages:
        lines.append("damage: %s%d to %d: %s" % (name + " " if name else "", damage.start, damage.end, damage.reason))
    return "\n".join(lines)
