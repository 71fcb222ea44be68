"""Compares what the other side said with what was recorded of it."""

from __future__ import annotations

import hashlib
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
    missing, new = list((before - now).elements()), list((now - before).elements())
    told = [
        {"expected": old, "got": other}
        for old, other in zip(missing + [""] * len(new), new + [""] * len(missing), strict=True)
        if old or other
    ]
    return [{key: text[:LONGEST] for key, text in each.items()} for each in told]
