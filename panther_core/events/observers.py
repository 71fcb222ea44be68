"""The observers that come with the engine: one stores events, one counts them, one writes them to a log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TextIO

from panther_core.metrics import MetricsCollector
from panther_hookspecs import BaseEvent, MetricsRecorder, Observer, ResourceExhaustionException

_BARE: Final = re.compile(r"[A-Za-z0-9_.:/@%+-]+\Z")
_quoted: Final = json.JSONEncoder().encode
_compact: Final = json.JSONEncoder(separators=(",", ":")).encode


def as_json(event: BaseEvent) -> str:
    """Return the keys that every recorded event has, as the inside of a JSON object: ASCII, one line, no braces."""
    return (
        f'"name":{_quoted(event.name)},"entity_type":{_quoted(str(event.entity_type))},'
        f'"entity_id":{_quoted(str(event.entity_id))},"class":{_quoted(type(event).__qualname__)},'
        f'"uuid":"{event.uuid}","timestamp":"{event.timestamp.isoformat()}","content":{event.content_text}'
    )


class _Choosy(Observer):
    """An observer that can be limited to some events."""

    def __init__(self, only: Iterable[str] = ()) -> None:
        self.only = tuple(only)

    def is_interested(self, event_type: str) -> bool:
        """Return whether the event is one of ``only``, or below one of them; without any, all are."""
        return not self.only or any(event_type == each or event_type.startswith(f"{each}.") for each in self.only)


class StorageObserver(_Choosy):
    """Stores every event as one line of JSON in ``events.jsonl``, at once and with a single write.

    A killed run therefore has all lines up to the last event handled. What could not be written, because the disk is
    full for instance, is counted in ``lost`` and leaves a gap in ``seq``; lines already there stay whole.
    """

    def __init__(self, folder: Path, only: Iterable[str] = ()) -> None:
        super().__init__(only)
        self.path = Path(folder) / "events.jsonl"
        self.lost = 0
        self._failing = False
        self._file: int | None = None
        self._seq = self._end = 0

    def handle_event(self, event: BaseEvent) -> None:
        """Append the event. Trouble with the disk is raised when it begins, and then only counted."""
        self._seq += 1
        try:
            file = self._open() if self._file is None else self._file
            self._append(file, f'{{"seq":{self._seq},{as_json(event)}}}\n'.encode("ascii"))
            self._failing = False
        except OSError as error:
            self.lost += 1
            if not self._failing:
                self._failing = True
                raise ResourceExhaustionException(
                    f"events cannot be stored in {self.path}: {error.strerror or error}\n"
                    "  the run goes on without them; the numbers missing in `seq` tell which were lost\n"
                    "  try: make room on that disk"
                ) from error

    def close(self) -> None:
        """Let go of the file. An event that comes later opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, file: int, line: bytes) -> None:
        rest = line
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, self._end)  # half a line would spoil the next one
            raise
        self._end += len(line)

    def _open(self) -> int:
        """Open the file to go on after its last whole line: a run may be taken up again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        if self._end and os.fstat(file).st_size == self._end:
            self._file = file  # opened again after ``close``, and nobody else has written
            return file
        last, end = b"", 0
        with open(file, "rb", closefd=False) as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    last, end = line, end + len(line)
        os.ftruncate(file, end)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            self._seq = max(self._seq, json.loads(last)["seq"] + 1)
        self._file, self._end = file, end
        return file


class MetricsObserver(_Choosy):
    """Counts events by name, and records the durations that they tell (``duration_ms``, or ``duration`` in seconds)."""

    def __init__(self, collector: MetricsRecorder, only: Iterable[str] = (), *, write_to: Path | None = None) -> None:
        super().__init__(only)
        self.collector = collector
        self.write_to = write_to

    def handle_event(self, event: BaseEvent) -> None:
        """Count the event as ``events{event="..."}`` and time it as ``event_duration{event="..."}``."""
        labels = {"event": event.name}
        self.collector.record_counter("events", 1, labels)
        for attribute, milliseconds in (("duration_ms", 1), ("duration", 1000)):
            duration = getattr(event, attribute, None)
            if isinstance(duration, (int, float)):
                self.collector.record_timing("event_duration", duration * milliseconds, labels)
                return

    def close(self) -> None:
        """Write all numbers of the collector to the file ``write_to``, if there is one."""
        if self.write_to is not None and isinstance(self.collector, MetricsCollector):
            self.write_to.write_text(json.dumps(self.collector.get_metrics(), indent=1) + "\n", encoding="utf-8")


class LoggingObserver(_Choosy):
    """Writes one line for each event, whatever is in it: ``key=value`` or JSON, in ASCII.

    The target is a stream, a logger, or the path of a file to append to.
    """

    def __init__(
        self,
        target: TextIO | logging.Logger | logging.LoggerAdapter[Any] | Path,
        only: Iterable[str] = (),
        *,
        style: str = "text",
    ) -> None:
        super().__init__(only)
        self.target = target
        self.style = style

    def handle_event(self, event: BaseEvent) -> None:
        """Write the line of one event."""
        line = f"{{{as_json(event)}}}" if self.style == "json" else as_text(event)
        if isinstance(self.target, Path):
            with self.target.open("a", encoding="ascii") as file:
                file.write(line + "\n")
        elif isinstance(self.target, (logging.Logger, logging.LoggerAdapter)):
            self.target.info("%s", line)
        else:
            self.target.write(line + "\n")
            self.target.flush()


def as_text(event: BaseEvent) -> str:
    """Return the event as ``key=value`` pairs in one line; what is no plain word is written as in JSON."""
    pairs: dict[str, Any] = {
        "time": event.timestamp.isoformat(timespec="milliseconds"),
        "event": event.name,
        "entity_type": event.entity_type,
        "entity_id": event.entity_id,
    }
    listed = [f"{key}={_word(value)}" for key, value in pairs.items() if value]
    content = json.loads(event.content_text)
    return " ".join([*listed, *(f"{key}={_word(value)}" for key, value in content.items())])


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else _compact(value)
    return text if _BARE.match(text) else _quoted(text)
