"""Puts the TLS keys that services have written into recordings, so that one file is enough to read everything."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from panther_hookspecs import Artifact

CAPTURE, KEYS = "capture", "keys"
"""The kinds of artifacts that are recordings, and files as SSLKEYLOGFILE names them."""
_SECTION, _SECRETS, _TLS_KEY_LOG = 0x0A0D0D0A, 0x0000000A, 0x544C534B
_MOST = 16 << 20


def embed_keys(artifacts: Sequence[Artifact], folder: Path) -> Iterable[str]:
    """Put the keys of all services into every recording; yield what could not be done."""
    keys = b"".join(sorted(_lines(folder / each.path for each in artifacts if each.kind == KEYS)))
    for each in artifacts if keys else ():
        if each.kind == CAPTURE:
            try:
                _embed(folder / each.path, keys)
            except (OSError, ValueError) as error:
                yield f"the keys could not be put into {each.path}: {error}"


def _lines(paths: Iterable[Path]) -> set[bytes]:
    """Return every line of these files once: client and server write the same ones."""
    found: set[bytes] = set()
    for path in paths:
        with path.open("rb") as file:
            found |= {line.strip() + b"\n" for line in file.read(_MOST).splitlines() if line.strip()}
    return found


def _embed(path: Path, keys: bytes) -> None:
    """Write the file anew with a block of secrets before all others, where readers need it."""
    made = path.with_suffix(".tmp")
    with path.open("rb") as old:
        section = _section(old)
        with made.open("wb") as new:
            new.write(section + _block(keys))
            shutil.copyfileobj(old, new, 1 << 20)
    made.replace(path)


def _section(file: BinaryIO) -> bytes:
    head = file.read(12)
    if len(head) < 12 or int.from_bytes(head[:4], "little") != _SECTION:  # noqa: PLR2004 - kind, length, byte order
        raise ValueError("it is no pcapng file")
    order = "<" if head[8:] == b"\x4d\x3c\x2b\x1a" else ">"
    return head + file.read(int(struct.unpack(f"{order}I", head[4:8])[0]) - 12)


def _block(keys: bytes) -> bytes:
    body = struct.pack("=II", _TLS_KEY_LOG, len(keys)) + keys + bytes(-len(keys) % 4)
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", _SECRETS) + length + body + length
