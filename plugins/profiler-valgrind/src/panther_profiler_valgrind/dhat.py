"""Reads the profiles of dhat: the blocks of the heap by where they were allocated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_profiler_valgrind.profile import Profile, ProfileError, Share, added, frame_name, who_allocates

_VERSION = 2


@attrs.frozen(kw_only=True)
class Site:
    """A stack that allocates."""

    names: tuple[str, ...]
    """Functions, outermost first; the innermost is the one that called the allocator."""
    numbers: Mapping[str, int]


_KEYS = {
    "tb": "total_bytes",
    "tbk": "total_blocks",
    "gb": "peak_bytes",
    "gbk": "peak_blocks",
    "eb": "end_bytes",
    "ebk": "end_blocks",
    "rb": "read_bytes",
    "wb": "written_bytes",
}
"""What dhat counts, and how the measurements are called."""


def read_blocks(path: Path) -> tuple[str, list[Site]]:
    """Return the program and where it allocates; ProfileError if the file is not complete."""
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except json.JSONDecodeError as error:
        raise ProfileError(f"it breaks off: {error}") from error
    if data.get("dhatFileVersion") != _VERSION or data.get("mode") != "heap":
        raise ProfileError(f"it is of version {data.get('dhatFileVersion')}, mode {data.get('mode')}")
    return data["cmd"].split()[0] if data["cmd"].strip() else "", [_site(each, data["ftbl"]) for each in data["pps"]]


def _site(point: Mapping[str, Any], frames: list[str]) -> Site:
    names = tuple(frame_name(frames[index]) for index in reversed(point["fs"]))
    return Site(
        names=tuple(who_allocates(names)) or ("(unknown)",),
        numbers={name: int(point.get(key, 0)) for key, name in _KEYS.items()},
    )


def profile_of(path: Path) -> Profile:
    """Return the profile of one process."""
    program, sites = read_blocks(path)
    numbers = {name: sum(site.numbers[name] for site in sites) for name in _KEYS.values()}
    folded: dict[str, int] = {}
    for site in sites:
        added(folded, site.names, site.numbers["total_bytes"])
    return Profile(
        program=program,
        numbers=numbers,
        whole=numbers["total_bytes"],
        shares=tuple(
            Share(
                name=site.names[-1],
                amount=site.numbers["total_bytes"],
                calls=site.numbers["total_blocks"],
                place=" < ".join(reversed(site.names)),
            )
            for site in sites
        ),
        folded=folded,
        title="bytes that were allocated",
    )
