"""Comparing a file's dump with the expected one beside it."""
from __future__ import annotations

import json
import os
import traceback
from typing import Any, Iterator, List, NamedTuple, Optional

from .files import kind_of, read_bytes

SHOWN = 160


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


def compare_file(path: str) -> Verdict:
    """Decodes a file and compares it with `path`.json."""
    with open(path, "rb") as file:
        data = file.read()
    with open(path + ".json", "rb") as file:
        expected = json.load(file)
    kind = kind_of(path, data)
    if kind is None:
        return Verdict(path, "of no known kind")
    try:
        got = read_bytes(kind, data).dump
    except Exception:  # whatever it is: a decoder that raises has a bug, and the other files still count
        return Verdict(path, "the decoder failed: " + traceback.format_exc().strip().replace("\n", " | "))
    if json.dumps(got, sort_keys=True) == json.dumps(expected, sort_keys=True):
        return Verdict(path, None)
    return Verdict(path, first_difference(expected, json.loads(json.dumps(got))) or "differs")


def files_below(directory: str) -> Iterator[str]:
    """All files below a directory that have an expected dump, in order."""
    for parent, folders, names in os.walk(directory):
        folders.sort()
        have = set(names)
        for name in sorted(names):
            if name + ".json" in have:
                yield os.path.join(parent, name)


def report(directories: List[str], shown: int) -> int:
    """Compares all files, prints the outcome; the exit code."""
    agreed = 0
    differing = 0
    for directory in directories:
        for path in files_below(directory):
            verdict = compare_file(path)
            if verdict.difference is None:
                agreed += 1
                continue
            differing += 1
            if differing <= shown:
                print("%s: %s" % (path, verdict.difference))
    print("%d files agree, %d differ" % (agreed, differing))
    return 1 if differing or not agreed else 0
