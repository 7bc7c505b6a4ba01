"""Comparing the dump of a file, or of a ring as a whole, with the expected one beside it."""
from __future__ import annotations

import json
import os
import traceback
from typing import Any, Iterator, List, NamedTuple, Optional

from . import dump
from .files import kind_of, read_bytes
from .ring import read_ring

SHOWN = 160
WHOLE_RING = "ring.json"


class Verdict(NamedTuple):
    """A file with an expected dump; `difference` is None where both agree."""

    path: str
    difference: Optional[str]


def _short(value: Any) -> str:
    """A value for a line of text."""
    shown = json.dumps(value, sort_keys=True)
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."


def first_difference(expected: Any, got: Any, place: str = "") -> Optional[str]:
    """Where two dumps differ first, as a line; None if they are equal."""
    if type(expected) is not type(got) or not isinstance(expected, (dict, list)):
        if (type(expected), expected) == (type(got), got):
            return None
        return "%s: expected %s, got %s" % (place or ".", _short(expected), _short(got))
    if isinstance(expected, dict):
        for key in sorted(set(expected) | set(got)):
            here = "%s.%s" % (place, key)
            if key not in expected:
                return "%s: not expected, got %s" % (here, _short(got[key]))
            if key not in got:
                return "%s: expected %s, got nothing" % (here, _short(expected[key]))
            found = first_difference(expected[key], got[key], here)
            if found is not None:
                return found
        return None
    for index, (one, other) in enumerate(zip(expected, got)):
        found = first_difference(one, other, "%s[%d]" % (place, index))
        if found is not None:
            return found
    if len(expected) != len(got):
        return "%s: expected %d items, got %d" % (place, len(expected), len(got))
    return None


def _decode(path: str) -> Optional[Any]:
    """The dump of a file; of a folder, which copies of its rows count. None for a file of no known kind."""
    if os.path.isdir(path):
        return dump.counted(read_ring(path))
    with open(path, "rb") as file:
        data = file.read()
    kind = kind_of(path, data)
    return None if kind is None else read_bytes(kind, data).dump


def compare_path(path: str) -> Verdict:
    """Decodes a file and compares it with `path`.json, or a folder with the `ring.json` in it."""
    with open(os.path.join(path, WHOLE_RING) if os.path.isdir(path) else path + ".json", "rb") as file:
        expected = json.load(file)
    try:
        got = _decode(path)
    except Exception:  # whatever it is: a decoder that raises has a bug, and the other files still count
        return Verdict(path, "the decoder failed: " + traceback.format_exc().strip().replace("\n", " | "))
    if got is None:
        return Verdict(path, "of no known kind")
    if json.dumps(got, sort_keys=True) == json.dumps(expected, sort_keys=True):
        return Verdict(path, None)
    return Verdict(path, first_difference(expected, json.loads(json.dumps(got))) or "differs")


def paths_below(directory: str) -> Iterator[str]:
    """All files below a directory that have an expected dump, and folders with that of a whole ring, in order."""
    for parent, folders, names in os.walk(directory):
        folders.sort()
        have = set(names)
        if WHOLE_RING in have:
            yield parent
        for name in sorted(names):
            if name + ".json" in have:
                yield os.path.join(parent, name)


def report(directories: List[str], shown: int) -> int:
    """Compares all files, prints the outcome; the exit code."""
    files = rings = differing = 0
    for directory in directories:
        for path in paths_below(directory):
            verdict = compare_path(path)
            if verdict.difference is not None:
                differing += 1
                if differing <= shown:
                    print("%s: %s" % (path, verdict.difference))
            elif os.path.isdir(path):
                rings += 1
            else:
                files += 1
    print("%d files and %d whole rings agree, %d differ" % (files, rings, differing))
    return 1 if differing or not files else 0
