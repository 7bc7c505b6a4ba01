"""The dumps that `--json` prints, in the shape that format/tests/golden/README.md defines.

A directory as a whole is not in that document; its dump holds the files' and adds what they say together.
"""
from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Optional

from .bundle import HEAD, INDEX, MANIFEST, OPEN, SEGMENT, SYMBOLS, USER_SYMBOLS, Bundle, Member
from .footer import Footer
from .frame import KIND_NAMES
from .head import Head
from .identity import Identity
from .primitives import Damage
from .ring import Whole, all_rows
from .segment import FrameContent, Segment

Dump = Dict[str, Any]

# Sections that came later: a file without them is dumped as it always was.
LATER_SECTIONS = ("texts", "owners")


def plain(value: Any) -> Any:
    """Bytes become hexadecimal text, tuples lists; all else stays."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def lists(records: List[Dict[str, Any]]) -> List[List[Any]]:
    """Records without their field names."""
    return [list(record.values()) for record in records]


def refused(kind: str) -> Dump:
    """A file whose header is refused."""
    return {"kind": kind, "refused": True}


def chain_text(chain: int) -> str:
    """A 128-bit number as 32 hexadecimal digits."""
    return "%032x" % chain


def frame(content: FrameContent) -> Dump:
    """A frame's place and header, whether it can be read, and the chain after it."""
    header = content.frame.header
    result: Dump = dict(header._asdict())
    for absent in ("minor", "schema", "dict_id"):
        del result[absent]
    result["offset"] = content.frame.offset
    result["chain"] = chain_text(content.chain)
    result["readable"] = False if content.error is not None else True if header.kind in KIND_NAMES else None
    return result


def footer(value: Footer) -> Dump:
    """A footer."""
    return {"chain": chain_text(value.chain), "frames": plain(value.entries)}


def segment(value: Segment) -> Dump:
    """A segment."""
    header = value.header
    if header is None:
        return refused("segment")
    fields = plain(header._asdict())
    for absent in ("version", "compat", "incompat"):
        del fields[absent]
    fields["chain_before"] = chain_text(header.chain_before)
    contents = iter(value.contents)
    steps: List[Dump] = []
    for step in value.steps:
        if isinstance(step, Damage):
            steps.append({"damage": {"from": step.start, "to": step.end}})
        else:
            steps.append({"frame": frame(next(contents))})
    found = value.footer
    return {
        "kind": "segment",
        "header": fields,
        "steps": steps,
        "rows": [list(row) for content in value.contents for row in content.rows],
        "unnamed": sum(content.unnamed for content in value.contents),
        "states": [{name: lists(records) for name, records in content.state.items()
                    if records or name not in LATER_SECTIONS}
                   for content in value.contents if content.state is not None],
        "footer": None if found is None else footer(found),
        "threads": value.threads,
        "calls": value.calls,
        "end": value.end,
    }


def head(value: Head) -> Dump:
    """A head."""
    if value.page is None:
        return refused("head")
    slots = [
        {"generation": slot.generation, "epoch": slot.epoch, "source": slot.source, "torn": slot.torn,
         "rows": [list(row) for row in slot.rows]} for slot in value.slots]
    return {"kind": "head", "slot_count": value.page.slots, "slot_bytes": value.page.slot_bytes, "slots": slots,
            "damaged": value.given_up}


def identity(value: Optional[Identity]) -> Dump:
    """A RING file."""
    if value is None:
        return refused("ring")
    return {"kind": "ring", "generation": value.generation, "ring_id": value.ring_id.hex(),
            "segment_bytes": value.segment_bytes, "holder_pid": value.holder_pid}


def _digests(value: Bundle, data: bytes) -> Dict[int, bool]:
    """For each member before the index, by its offset: whether its SHA-256 is as the index says."""
    index = value.index_member()
    if index is None:
        return {}
    said: Dict[int, bytes] = {}
    for entry in index.content:
        said.setdefault(entry["offset"], entry["sha256"])
    result: Dict[int, bool] = {}
    for member in value.members:
        if member is index:
            break
        if member.offset in said:
            payload = data[member.offset:member.offset + member.have]
            result[member.offset] = hashlib.sha256(payload).digest() == said[member.offset]
    return result


def _open_rows(member: Optional[Member]) -> Optional[List[Optional[List[int]]]]:
    """Open rows, None for each that does not verify."""
    if member is None or member.content is None:
        return None
    return [None if row is None else list(row) for row in member.content]


def bundle(value: Bundle, data: bytes) -> Dump:
    """A bundle."""
    if value.header is None:
        return refused("bundle")
    digests = _digests(value, data)
    members = [
        {"kind": member.kind, "number": member.number, "offset": member.offset, "payload_len": member.length,
         "payload_crc": member.payload_crc, "have": member.have, "condition": member.condition,
         "digest": digests.get(member.offset)} for member in value.members]
    found = {kind: value.first(kind) for kind in (MANIFEST, HEAD, OPEN, SYMBOLS, USER_SYMBOLS, INDEX)}
    contents: Dict[int, Any] = {kind: None if member is None else member.content for kind, member in found.items()}
    user = contents[USER_SYMBOLS]
    later = {} if user is None else {"user_symbols": {name: lists(records) for name, records in user.items()}}
    return {
        **later,
        "kind": "bundle",
        "members": members,
        "complete": value.complete,
        "skipped": [list(stretch) for stretch in value.skipped],
        "manifest": plain(contents[MANIFEST]),
        "segments": [segment(member.content) for member in value.members if member.kind == SEGMENT],
        "head": None if contents[HEAD] is None else head(contents[HEAD]),
        "open": _open_rows(found[OPEN]),
        "symbols": plain(contents[SYMBOLS]),
    }


def counted(value: Whole) -> Dump:
    """Which copies of a ring's rows count: what `ring.json` holds."""
    return {"frames": plain(value.frames), "slots": plain(value.slots), "unnamed": value.unnamed,
            "rows": sum(len(batch.rows) for batch in value.batches)}


def whole(value: Whole, files: Dict[str, Any]) -> Dump:
    """A ring or frozen set as a whole."""
    lanes = [
        {"epoch": lane[0], "cpu": lane[1], "source": lane[2], "issued": account.issued, "evicted": account.evicted,
         "rows": account.rows, "twice": account.twice, "lost": account.lost, "balance": account.balance()}
        for lane, account in sorted(value.accounts.lanes.items())
    ]
    return {
        "kind": "directory",
        "files": files,
        "rows": [[epoch, source] + list(row) for epoch, source, row in all_rows(value)],
        "counted": counted(value),
        "skipped_slots": value.skipped_slots,
        "skipped_frames": plain(value.skipped_frames),
        "unnamed": value.unnamed,
        "unreadable_rows": value.unreadable_rows,
        "accounts": lanes,
        "epochs": {str(number): _epoch(meta) for number, meta in value.meta.items()},
        "damage": [{"file": name, "from": item.start, "to": item.end, "reason": item.reason}
                   for name, item in value.damages],
        "notes": value.notes + value.accounts.notes,
    }


def _epoch(meta: Any) -> Dump:
    """What is known of one epoch."""
    return {
        "tasks": [[pid, tid, since, name] for (pid, tid), names in sorted(meta.tasks.items())
                  for since, name in sorted(names.items())],
        "stacks": {str(number): frames for number, frames in meta.stacks().items()},
        "texts": {str(number): text for number, text in meta.texts().items()},
        "handles": [[pid, handle, since, name] for (pid, handle), names in sorted(meta.handles().items())
                    for since, name in sorted(names.items())],
        "losses": [dict(loss._asdict()) for loss in meta.losses],
        "covered": plain(meta.covered),
        "anchors": plain(meta.anchors),
        "annotations": [dict(said._asdict()) for said in meta.annotations()],
        "incomplete": meta.incomplete(),
    }
