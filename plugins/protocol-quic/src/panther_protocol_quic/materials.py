"""What server and client need besides programs: files, requests, certificates. All of it follows from the seed.

Server and client are planned apart and never meet before they run, so both must make the same from the same seed.
"""

from __future__ import annotations

import hashlib
import random
import string
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from panther_protocol_quic.speaking import SCENARIOS

_ALPHABET = string.ascii_lowercase + string.digits
_NAME = 10
RECORDED_SEED = 0
"""Seed of the files of scenarios whose requests may come from a recording, of another case and another run."""


@attrs.frozen
class Document:
    """A file that the server has and the client wants."""

    name: str
    size: int

    def content(self, seed: int) -> bytes:
        """Return what must arrive; nobody can guess it without the seed."""
        return hashlib.shake_128(f"{seed} {self.name}".encode()).digest(self.size)


def seed_of(scenario: str, seed: int) -> int:
    """Return the seed that the files of a scenario follow from."""
    return RECORDED_SEED if scenario in SCENARIOS else seed


def documents(parameters: Mapping[str, Any], seed: int) -> tuple[Document, ...]:
    """Return the files of a case, in the order in which they are requested."""
    sizes: Iterable[float] = parameters.get("files") or (parameters["size"],) * parameters["count"]
    length = parameters.get("name_length", _NAME)
    dice = random.Random(f"{seed} names")
    return tuple(Document("".join(dice.choices(_ALPHABET, k=length)), int(size)) for size in sizes)


def connections(scenario: str, wanted: tuple[Document, ...]) -> tuple[tuple[Document, ...], ...]:
    """Return what is requested in each connection of the client."""
    if scenario in ("resumption", "zerortt"):
        return wanted[:1], wanted[1:]
    if scenario in ("handshakeloss", "handshakecorruption"):
        return tuple((each,) for each in wanted)
    return (wanted,)
