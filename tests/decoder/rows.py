"""One event, 64 bytes (FORMAT.md section 3)."""
from __future__ import annotations

import struct
from typing import NamedTuple, Optional

from .checksums import crc32c

ROW_BYTES = 64
ROW = struct.Struct("<QQIIQQQHHiII")
_GENERATION = struct.Struct("<Q")
NUMBER_MASK = (1 << 48) - 1
RECORDER_CPU = 65535

OPEN, PREEMPTED, STACK_SKIPPED, STACK_LOST, WOKEN, NESTED = 1, 2, 4, 8, 16, 32
SOURCES = ("cuda", "sched", "process", "meta", "host")
META = 3


class Row(NamedTuple):
    """An event, its fields in the order of the bytes."""

    end_ns: int
    dur_ns: int
    pid: int
    tid: int
    arg0: int
    arg1: int
    origin: int
    op: int
    flags: int
    ret: int
    stack: int

    @property
    def cpu(self) -> int:
        """CPU it was counted on; 65535 is the recorder."""
        return self.origin >> 48

    @property
    def number(self) -> int:
        """Its sequence number on that CPU."""
        return self.origin & NUMBER_MASK


def read_row(data: bytes, at: int, generation: int) -> Optional[Row]:
    """The row at `at`, or None if its check does not fit `generation`."""
    fields = ROW.unpack_from(data, at)
    if crc32c(_GENERATION.pack(generation) + bytes(data[at:at + 60])) != fields[11]:
        return None
    return Row._make(fields[:11])
