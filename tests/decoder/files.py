"""Which kind of file a path is, and reading it whatever it is."""
from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import bundle, dump, head, identity, ring, segment
from .primitives import Damage

MAGICS = {identity.MAGIC: "ring", head.MAGIC: "head", segment.MAGIC: "segment", bundle.MAGIC: "bundle"}
NAMES = {"RING": "ring", "head": "head", "seg": "segment", "ingero": "bundle", "MANIFEST": "bundle"}


class Opened(NamedTuple):
    """What was read: the kind, what the modules made of it, its dump, what is damaged, all of it as a whole."""

    kind: str
    found: Any
    dump: Dict[str, Any]
    damages: List[Tuple[str, Damage]]
    whole: Optional[ring.Whole]


def kind_of(name: str, data: bytes) -> Optional[str]:
    """The kind of a file: by its name or extension, and by its magic if that says nothing."""
    return NAMES.get(os.path.basename(name).rpartition(".")[2]) or MAGICS.get(bytes(data[:8]))


def read_bytes(kind: str, data: bytes) -> Opened:
    """Reads one file of a known kind."""
    if kind == "ring":
        page, damages = identity.read_identity(data)
        return Opened(kind, page, dump.identity(page), [("", item) for item in damages], None)
    if kind == "head":
        slots = head.read_head(data)
        return Opened(kind, slots, dump.head(slots), [("", item) for item in slots.damages], None)
    if kind == "segment":
        read = segment.read_segment(data)
        damages = read.damages + [
            Damage(item.frame.offset, item.frame.end, item.error or "") for item in read.unreadable]
        return Opened(kind, read, dump.segment(read), [("", item) for item in damages], None)
    held = bundle.read_bundle(data)
    return Opened(kind, held, dump.bundle(held, data), [("", item) for item in held.damages], ring.whole_bundle(held))


def read_directory(path: str) -> Opened:
    """Reads a ring or a frozen set."""
    whole = ring.read_ring(path)
    files: Dict[str, Any] = {item.name: dump.segment(item.segment) for item in whole.segments}
    if whole.head is not None:
        files["head"] = dump.head(whole.head)
    if whole.bundle is not None:
        files["MANIFEST"] = dump.bundle(whole.bundle, whole.bundle_bytes)
    if whole.identity is not None:
        files["RING"] = dump.identity(whole.identity)
    return Opened("directory", whole, dump.whole(whole, files), whole.damages, whole)


def read_path(path: str) -> Optional[Opened]:
    """Reads whatever `path` is; None if it is nothing of ours."""
    if os.path.isdir(path):
        names = os.listdir(path)
        if not any(name in ("RING", "MANIFEST", "head") or ring.SEGMENT_NAME.match(name) for name in names):
            return None
        return read_directory(path)
    with open(path, "rb") as file:
        data = file.read()
    kind = kind_of(path, data)
    return None if kind is None else read_bytes(kind, data)
