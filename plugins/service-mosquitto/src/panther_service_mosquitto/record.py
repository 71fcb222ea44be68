"""Turns the log of a Mosquitto broker into the record that the protocol's checks read: ``record.py FOLDER``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from panther_protocol_mqtt.recording import NAME, Recorder

_CONNECTED = re.compile(r"(\d+): New client connected from \S+ as (\S+) \(p(\d)")
_CLOSED = re.compile(r"(\d+): Client (\S+) (disconnected|closed its connection|has exceeded timeout)")
_VERSIONS = {"3": "3.1", "4": "3.1.1", "2": "3.1.1", "1": "3.1", "5": "5"}


def record(folder: Path) -> None:
    """Write the transcript."""
    with (folder / NAME).open("w", encoding="utf-8") as file, (folder / "stderr").open(errors="replace") as log:
        recorder = Recorder(file)
        for line in log:
            if found := _CONNECTED.match(line):
                recorder.note("connected", at=int(found[1]), client=found[2], version=_VERSIONS.get(found[3], found[3]))
            elif found := _CLOSED.match(line):
                recorder.note("disconnected", at=int(found[1]), client=found[2], how=found[3])


if __name__ == "__main__":
    record(Path(sys.argv[1]))
