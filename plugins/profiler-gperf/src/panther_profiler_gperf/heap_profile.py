"""Reads the heap profiles of gperftools: a text with one stack a line, then the memory map."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from panther_profiler_gperf.stacks import Addresses, ProfileError, RawProfile, Values, parse_mappings

LIVE_OBJECTS, LIVE_BYTES, ALLOCATED_OBJECTS, ALLOCATED_BYTES = range(4)
"""Where each number stands among the values of a stack."""

_COUNTS = re.compile(rb"\s*(\d+):\s+(\d+)\s+\[\s*(\d+):\s+(\d+)\]\s+@\s*(.*)")
_TITLE = b"heap profile:"
_MAP = b"MAPPED_LIBRARIES:"


def read_heap_totals(path: Path) -> Values:
    """Return what the first line of a profile says: objects and bytes live, objects and bytes ever allocated."""
    with path.open("rb") as file:
        return _title(file, path.name)


def read_heap_profile(path: Path) -> RawProfile:
    """Return the profile at ``path``; raise ProfileError for one that is empty or cut off."""
    stacks: dict[Addresses, Values] = {}
    with path.open("rb") as file:
        totals = _title(file, path.name)
        for line in file:
            if line.startswith(_MAP):
                break
            match = _COUNTS.match(line)
            if match:
                # All of them are where calls return to, the first one that of the allocator: one byte after the call.
                stack = tuple(int(text, 16) - 1 for text in match[5].split())
                known = stacks.get(stack, (0, 0, 0, 0))
                stacks[stack] = tuple(old + int(new) for old, new in zip(known, match.groups()[:4], strict=True))
        else:
            raise ProfileError("truncated", f"{path.name} ends before its memory map")
        mappings = parse_mappings(file.read().decode("utf-8", "replace"))
    return RawProfile(stacks=stacks, mappings=mappings, executable=mappings[0].path if mappings else "", totals=totals)


def _title(file: BinaryIO, name: str) -> Values:
    line = file.readline()
    if not line:
        raise ProfileError("empty", f"{name} has 0 bytes")
    match = _COUNTS.match(line.removeprefix(_TITLE)) if line.startswith(_TITLE) else None
    if match is None:
        raise ProfileError("foreign", f"{name} is no heap profile of gperftools")
    return tuple(int(number) for number in match.groups()[:4])
