"""Compares what the other side said with what was recorded of it."""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections import Counter
from typing import Any

from panther_test_replay.replay.player import Player, Recorded

LONGEST = 200


def report(player: Player, recorded: list[Recorded], side: str, dialect: Any, *, stream: bool) -> dict[str, Any]:
    """Return the summary of a replay: what was sent, what came back, and every difference."""
    other = "server" if side == "client" else "client"
    expected = [data for _, who, data in recorded if who == other]
    if stream:
        expected = dialect.split(b"".join(expected))[0]
    got = [data for _, who, data in player.said if who == other]
    stimuli = hashlib.sha256()
    for _, who, data in player.said:
        if who == side:
            stimuli.update(len(data).to_bytes(4, "big") + data)
    wanted, found = ([dialect.readable(each) for each in many] for many in (expected, got))
    return {
        "v": 1,
        "side": side,
        "sent": sum(who == side for _, who, _ in player.said),
        "stimuli": stimuli.hexdigest(),
        "expected": len(expected),
        "got": len(got),
        "differences": differences(wanted, found, once=not stream),
    }


def differences(wanted: list[str], found: list[str], *, once: bool) -> list[dict[str, str]]:
    """Return what is missing and what is new. Datagrams may come twice and in any order, so each counts ``once``."""
    before, now = Counter(wanted), Counter(found)
    if once:
        before, now = Counter(set(before)), Counter(set(now))
    missing, new = sorted((before - now).elements()), sorted((now - before).elements())
    told = [{"expected": each, "got": _like(each, new)} for each in missing]
    told += [{"expected": "", "got": each} for each in new]
    return [{key: text[:LONGEST] for key, text in each.items()} for each in told]


def _like(text: str, others: list[str]) -> str:
    """Take the text that begins most like this one out of others, which are in order: it stands beside it there."""
    at = bisect.bisect(others, text)
    beside = [each for each in (at - 1, at) if 0 <= each < len(others)]
    if not beside:
        return ""
    return others.pop(max(beside, key=lambda each: _alike(text, others[each])))


def _alike(one: str, other: str) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
