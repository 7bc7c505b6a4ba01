"""META rows and what they tell: names, stacks, losses, coverage, clocks (FORMAT.md section 14)."""
from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from .rows import Row

TASK_NAME, STACK_PART, TEXT_PART, HANDLE_NAME, LOSS, COVERED, ANCHOR = range(0x6001, 0x6008)
ANNOTATION = 0x600A
CAUSES = {
    1: "ringbuf_full", 2: "probe_missed", 3: "head_overrun", 4: "disk_full", 5: "io_error", 6: "corrupt",
    7: "restart_gap", 8: "throttled", 9: "sampled", 10: "interrupted",
}
UNKNOWN_CPU = 65535


class Loss(NamedTuple):
    """A LOSS row. A count of 0 means that nobody knows how many."""

    source: int
    cause: int
    cpu: int
    first: int
    missing: int
    from_ns: int
    to_ns: int


class Annotation(NamedTuple):
    """An ANNOTATION row: what was said of a time, when that began and how long it was."""

    told_ns: int
    begin_ns: int
    dur_ns: int
    pid: int
    sender_pid: int
    sender_uid: int
    text: Optional[str]


class Parts:
    """Puts together what is cut into 16-byte parts: stacks and texts."""

    def __init__(self) -> None:
        self._parts: Dict[int, Dict[int, Tuple[int, int]]] = {}
        self._count: Dict[int, int] = {}
        self._disputed: Set[int] = set()

    def add(self, row: Row) -> None:
        """One STACK_PART or TEXT_PART. One that does not go with the others makes its id unknown."""
        number, values = row.stack, (row.arg0, row.arg1)
        parts = self._parts.setdefault(number, {})
        if self._count.setdefault(number, row.flags) != row.flags or not 0 <= row.ret < row.flags:
            self._disputed.add(number)
        elif parts.setdefault(row.ret, values) != values:
            self._disputed.add(number)

    def whole(self) -> Dict[int, List[int]]:
        """Values of those that have all their parts, and none that contradicts another, in order."""
        result: Dict[int, List[int]] = {}
        for number, parts in self._parts.items():
            count = self._count[number]
            if number not in self._disputed and len(parts) == count:
                result[number] = [value for place in range(count) for value in parts[place]]
        return result

    def incomplete(self) -> int:
        """How many lack a part, or have parts that contradict each other."""
        return len(self._parts) - len(self.whole())


def name_of(arg0: int, arg1: int) -> str:
    """The 16 bytes of a TASK_NAME."""
    return text_of([arg0, arg1])


def text_of(values: List[int]) -> str:
    """Text out of 8-byte values, up to the first zero byte."""
    raw = b"".join(value.to_bytes(8, "little") for value in values)
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


class EpochMeta:
    """All that META rows and State records say about one epoch."""

    def __init__(self) -> None:
        self.tasks: Dict[Tuple[int, int], Dict[int, str]] = {}
        self.losses: List[Loss] = []
        self.covered: List[Tuple[int, int, int, int]] = []
        self.anchors: List[Tuple[int, int, int]] = []
        self.unknown = 0
        self._stack_parts = Parts()
        self._text_parts = Parts()
        self._handle_rows: List[Row] = []
        self._said_rows: List[Row] = []
        self._stacks: Dict[int, List[int]] = {}
        self._texts: Dict[int, str] = {}
        self._handles: Dict[Tuple[int, int], Dict[int, str]] = {}

    def add_state(self, state: Dict[str, Any]) -> None:
        """What a State record repeats from before its segment."""
        for task in state["tasks"]:
            self.tasks.setdefault((task["pid"], task["tid"]), {})[task["since_ns"]] = task["comm"]
        for stack in state["stacks"]:
            self._stacks[stack["id"]] = stack["frames"]
        for handle in state["handles"]:
            self._handles.setdefault((handle["pid"], handle["handle"]), {})[0] = handle["name"]
        for text in state["texts"]:
            self._texts[text["id"]] = text["text"]

    def add_rows(self, rows: Iterable[Row]) -> None:
        """META rows, of a frame or of the head."""
        for row in rows:
            self._add_row(row)

    def _add_row(self, row: Row) -> None:
        """One META row."""
        if row.op == TASK_NAME:
            self.tasks.setdefault((row.pid, row.tid), {})[row.end_ns] = name_of(row.arg0, row.arg1)
        elif row.op == STACK_PART:
            self._stack_parts.add(row)
        elif row.op == TEXT_PART:
            self._text_parts.add(row)
        elif row.op == HANDLE_NAME:
            self._handle_rows.append(row)
        elif row.op == LOSS:
            self.losses.append(Loss(
                row.flags, row.ret, row.tid, row.arg1, row.arg0, max(row.end_ns - row.dur_ns, 0), row.end_ns))
        elif row.op == COVERED:
            self.covered.append((row.end_ns, row.pid, row.arg0, row.arg1))
        elif row.op == ANCHOR:
            self.anchors.append((row.end_ns, row.arg0, row.arg1))
        elif row.op == ANNOTATION:
            self._said_rows.append(row)
        else:
            self.unknown += 1

    def stacks(self) -> Dict[int, List[int]]:
        """Stacks by id, innermost address first."""
        result = dict(self._stacks)
        for number, values in self._stack_parts.whole().items():
            result[number] = values[:-1] if values[-1] == 0 else values
        return result

    def texts(self) -> Dict[int, str]:
        """Texts by id."""
        parts = {number: text_of(values) for number, values in self._text_parts.whole().items()}
        return {**self._texts, **parts}

    def handles(self) -> Dict[Tuple[int, int], Dict[int, Optional[str]]]:
        """Names of (pid, handle), each with the time from which it holds; None where the text is missing."""
        texts = self.texts()
        result: Dict[Tuple[int, int], Dict[int, Optional[str]]] = {
            key: dict(names) for key, names in self._handles.items()}
        for row in self._handle_rows:
            result.setdefault((row.pid, row.arg0), {})[row.end_ns] = texts.get(row.stack)
        return result

    def annotations(self) -> List[Annotation]:
        """What programs said; None where the text is missing."""
        texts = self.texts()
        return [Annotation(row.end_ns, row.arg0, row.arg1, row.pid, row.tid, row.ret & 0xFFFFFFFF, texts.get(row.stack))
                for row in self._said_rows]

    def incomplete(self) -> int:
        """Stacks and texts that cannot be put together."""
        return self._stack_parts.incomplete() + self._text_parts.incomplete()
