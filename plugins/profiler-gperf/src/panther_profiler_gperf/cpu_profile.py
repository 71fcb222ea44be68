"""Reads the CPU profiles of gperftools: words in the order of the machine, then the memory map as text."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from panther_profiler_gperf.stacks import Addresses, ProfileError, RawProfile, Values, parse_mappings

_WORD, _CODE = (8, "Q") if sys.maxsize > 2**32 else (4, "I")
_HEADER = 5
_DEEPEST = 1 << 16
_CHUNK = 1 << 16


def read_cpu_profile(path: Path) -> RawProfile:
    """Return the profile at ``path``; raise ProfileError for one that is empty, cut off, or several in one."""
    with path.open("rb") as file:
        words = _Words(file)
        head = words.take(_HEADER)
        if not head:
            raise ProfileError("empty", f"{path.name} has 0 bytes")
        if len(head) < _HEADER:
            raise ProfileError("truncated", f"{path.name} ends in its header")
        if head[0] != 0 or head[1] < 3 or head[2] != 0:  # noqa: PLR2004 - words of the header that follow
            raise ProfileError("foreign", f"{path.name} is no CPU profile of gperftools")
        words.take(head[1] - 3)
        stacks: dict[Addresses, Values] = {}
        for count, stack in _records(words, path.name):
            stacks[stack] = (stacks.get(stack, (0,))[0] + count,)
        text = words.rest()
    if b"\0" in text:
        raise ProfileError("several", f"{path.name} holds what several processes have written over each other")
    if not text.endswith(b"\n"):
        raise ProfileError("truncated", f"{path.name} ends before its memory map is complete")
    mappings = parse_mappings(text.decode("utf-8", "replace"))
    return RawProfile(
        stacks=stacks,
        mappings=mappings,
        executable=mappings[0].path if mappings else "",
        totals=(sum(values[0] for values in stacks.values()),),
        period=head[3] / 1e6,
    )


def _records(words: _Words, name: str) -> Iterator[tuple[int, Addresses]]:
    """Yield how often each stack was seen, up to the mark of the end."""
    while True:
        head = words.take(2)
        if len(head) < 2 or not 0 < head[1] <= _DEEPEST:  # noqa: PLR2004 - a count and a depth
            raise ProfileError("truncated", f"{name} ends before the mark of its end")
        stack = words.take(head[1])
        if len(stack) < head[1]:
            raise ProfileError("truncated", f"{name} ends within a stack")
        if stack == (0,):
            return
        # The first is where the program was; the others are where calls return to, one byte after the call.
        yield head[0], (stack[0], *(address - 1 for address in stack[1:]))


class _Words:
    """Reads a file of words piece by piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._data = b""
        self._at = 0

    def take(self, count: int) -> tuple[int, ...]:
        """Return the next ``count`` words, fewer at the end."""
        wanted = count * _WORD
        while len(self._data) - self._at < wanted:
            more = self._file.read(max(_CHUNK, wanted))
            if not more:
                break
            self._data, self._at = self._data[self._at :] + more, 0
        found = min(count, (len(self._data) - self._at) // _WORD)
        words = struct.unpack_from(f"={found}{_CODE}", self._data, self._at)
        self._at += found * _WORD
        return words

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self._data[self._at :] + self._file.read()
