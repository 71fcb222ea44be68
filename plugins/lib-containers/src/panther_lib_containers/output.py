"""The output of a program in a container, from the engine's connection into files that cannot fill the disk."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import attrs

_FRAME = struct.Struct(">BxxxI")
_STREAMS = {1: "stdout", 2: "stderr"}
_TAIL = 1 << 16
_PIECE = 1 << 16
_LOOK_MS = 50
"""Milliseconds between two looks at what a container costs: its control group is gone the moment it ends."""


@attrs.define(eq=False)
class _CappedFile:
    """One stream: its beginning in a file, and the end of what did not fit in another."""

    path: Path
    limit: int
    written: int = 0
    dropped: int = 0
    _tail: bytes = b""
    _file: BinaryIO | None = None

    def open(self) -> None:
        """Make the file, or go on where a former start of the same service has ended."""
        self._file = self.path.open("ab", buffering=0)
        self.written = self.path.stat().st_size

    def take(self, data: bytes) -> None:
        """Keep what fits; on a full disk only how much there was is known."""
        kept = data[: max(0, self.limit - self.written)]
        if kept and self._file is not None:
            try:
                self._file.write(kept)
            except OSError:
                kept = b""
        self.written += len(data)
        if len(kept) < len(data):
            self.dropped += len(data) - len(kept)
            self._tail = (self._tail + data[len(kept) :])[-_TAIL:]

    def close(self) -> None:
        """Write the end of what did not fit beside it."""
        if self._file is not None:
            self._file.close()
        if self._tail:
            with contextlib.suppress(OSError):
                self.path.with_name(f"{self.path.name}.tail").write_bytes(self._tail)


@attrs.define(eq=False)
class Output:
    """Both streams of a program, until it ends; in between ``look`` is called every now and then."""

    folder: Path
    limit: int
    look: Callable[[], None]
    ended: threading.Event = attrs.field(factory=threading.Event)
    lost: str = ""
    """Why no more could be read before the end; empty if it ended as it should."""
    _files: Mapping[int, _CappedFile] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make both files: a program that writes nothing has empty ones."""
        self._files = {number: _CappedFile(self.folder / name, self.limit) for number, name in _STREAMS.items()}
        for each in self._files.values():
            each.open()

    @property
    def capped(self) -> Mapping[str, int]:
        """Streams whose file was cut, each with the bytes that the program has written."""
        return {each.path.name: each.written for each in self._files.values() if each.dropped}

    def carry(self, source: socket.socket, name: str, process: int = -1) -> None:
        """Begin to read, in a thread, to the end of the streams or of ``process``, a descriptor for it."""
        threading.Thread(target=self._carry, args=(source, process), name=f"output-{name}", daemon=True).start()

    def close(self) -> None:
        """Say that there is nothing more to come."""
        for each in self._files.values():
            each.close()
        self.ended.set()

    def _carry(self, source: socket.socket, process: int) -> None:
        try:
            with source:
                self._read(source, process)
        except OSError as error:
            self.lost = str(error)
        finally:
            if process >= 0:
                os.close(process)
            self.close()

    def _read(self, source: socket.socket, process: int) -> None:
        """Read to the end. Daemons may hold the streams open: once the process has ended, a quiet moment is the end."""
        poll, waiting, ended = select.poll(), b"", False
        poll.register(source, select.POLLIN)
        if process >= 0:
            poll.register(process, select.POLLIN)
        while True:
            if not ended:
                self.look()
            ready = dict(poll.poll(_LOOK_MS))
            if process in ready:
                ended = True
                poll.unregister(process)
            if source.fileno() in ready:
                data = source.recv(_PIECE)
                if not data:
                    return
                waiting = self._frames(waiting + data)
            elif ended and not ready:
                return

    def _frames(self, data: bytes) -> bytes:
        """Write every whole frame; return what is left."""
        at = 0
        while len(data) - at >= _FRAME.size:
            number, length = _FRAME.unpack_from(data, at)
            if len(data) - at - _FRAME.size < length:
                break
            at += _FRAME.size
            self._files.get(number, self._files[1]).take(data[at : at + length])
            at += length
        return data[at:]
