"""State frames: what a reader would have to learn from earlier segments (FORMAT.md section 9)."""
from __future__ import annotations

from typing import Any, Dict, List, Set

from .primitives import Cursor, DecodeError
from .records import PROCESS, ListOf, Record, read_record

ACCOUNT = Record("Account", ("cpu", "u16"), ("source", "u8"), ("stored", "u64"), ("lost", "u64"))
TASK = Record("Task", ("pid", "u32"), ("tid", "u32"), ("since_ns", "u64"), ("comm", "string"))
STACK = Record("Stack", ("id", "u32"), ("frames", ListOf("u64")))
HANDLE = Record("Handle", ("pid", "u32"), ("handle", "u64"), ("name", "string"))
TEXT = Record("Text", ("id", "u32"), ("text", "string"))
OWNER = Record("Owner", ("stack", "u32"), ("pid", "u32"))
SECTIONS = {
    1: ("accounts", ListOf(ACCOUNT)), 2: ("tasks", ListOf(TASK)), 3: ("stacks", ListOf(STACK)),
    4: ("handles", ListOf(HANDLE)), 5: ("processes", ListOf(PROCESS)), 6: ("texts", ListOf(TEXT)),
    7: ("owners", ListOf(OWNER)),
}


def read_state(raw: bytes) -> Dict[str, List[Any]]:
    """Sections of tag, length and record. Unknown tags are skipped, missing ones are empty lists."""
    state: Dict[str, List[Any]] = {name: [] for name, _ in SECTIONS.values()}
    seen: Set[int] = set()
    cursor = Cursor(raw)
    while cursor.left():
        tag = cursor.number(2)
        cursor.take(2)
        body = cursor.take(cursor.number(4))
        if tag in seen:
            raise DecodeError("state section %d comes twice" % tag)
        seen.add(tag)
        if tag in SECTIONS:
            name, kind = SECTIONS[tag]
            state[name] = read_record(body, kind)
    return state
