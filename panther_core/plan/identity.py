"""What makes a case the same case in another run: its content, as a short name and a seed."""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import attrs

_DIGEST_BYTES = 6
_LONGEST_SLUG = 40
_PLAIN = frozenset({type(None), bool, int, str, bytes, float})
"""Most of what there is; looked up because it is asked for millions of times."""
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def canonical(value: Any, root: Path | None = None) -> str:
    """Return a text that is equal for equal values in any process; paths count from ``root``."""
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(canonical(each, root) for each in value) + "]"
    if (names := _compared(type(value))) is not None:  # type: ignore[arg-type]  # a class can be a key
        fields = (f"{name}={canonical(getattr(value, name), root)}" for name in names)
        return f"{type(value).__name__}({','.join(fields)})"
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{canonical(k, root)}:{canonical(v, root)}" for k, v in value.items())) + "}"
    if isinstance(value, AbstractSet):
        return "<" + ",".join(sorted(canonical(each, root) for each in value)) + ">"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, Path):
        return repr(value.relative_to(root).as_posix() if root and value.is_relative_to(root) else value.as_posix())
    written = float.__repr__ if isinstance(value, float) else repr
    return written(value) if isinstance(value, int | str | bytes | float) else type(value).__qualname__


@functools.cache
def _compared(kind: type) -> tuple[str, ...] | None:
    """Return the names of the fields that make values of an attrs class equal; None for any other class."""
    return tuple(each.name for each in attrs.fields(kind) if each.eq) if attrs.has(kind) else None


def digest(*parts: str) -> str:
    """Return a short hexadecimal name for texts."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def slug(name: str) -> str:
    """Return a name that is safe as a folder, a container and a host: lower-case letters, digits and dashes."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _NOT_SLUG.sub("-", ascii_only).strip("-")[:_LONGEST_SLUG].rstrip("-") or "case"


def seed_of(seed: int, chances: str) -> int:
    """Return the seed of one case: always the same for one seed and one case, below 2**31 for any program's sake."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{chances}".encode(), digest_size=4).digest()) & 0x7FFF_FFFF
