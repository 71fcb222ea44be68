"""How the recorder is started."""

from __future__ import annotations

import sys
from pathlib import Path

from panther_hookspecs import Recording

_PROGRAM = Path(__file__).with_name("recorder.py")


def recorder(recording: Recording) -> tuple[str, ...]:
    """Return the program that makes a recording, to be started where its interfaces are."""
    places = (f"--{'own' if each.own else 'other'}={each.ip}/{each.port}" for each in recording.places)
    limits = (str(int(recording.limit)), str(recording.length))
    return (sys.executable, "-I", "-S", str(_PROGRAM), *places, *limits, str(recording.file), *recording.interfaces)
