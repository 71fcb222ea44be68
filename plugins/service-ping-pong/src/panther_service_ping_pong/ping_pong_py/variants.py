"""The variants: which sessions go wrong on purpose."""

from __future__ import annotations

import argparse
import hashlib


def misbehaves(options: argparse.Namespace, session: str) -> bool:
    """Return whether the variant makes this session a wrong one."""
    if options.variant == "random":
        dice = hashlib.sha256(f"dice {options.dice} {options.attempt} {session}".encode()).digest()
        return int.from_bytes(dice[:4], "big") / 2**32 >= float(options.chance)
    return str(options.variant) == "fail" or (options.variant == "flaky" and int(options.attempt) == 1)
