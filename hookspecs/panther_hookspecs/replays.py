"""What a player of recorded traffic leaves behind, for protocols to judge."""

from __future__ import annotations

import json
from pathlib import Path

from panther_hookspecs.values import CheckResult, Verdict

REPLAY_REPORT = "replay.json"
"""The summary in the folder of a player: how much it ``sent`` and ``got``, and the ``differences``."""


def check_replay(folder: Path, service: str, *, heard: int) -> CheckResult:
    """Judge whether a player has talked to somebody: ``heard`` messages arrived, by the other side's own account.

    What was answered otherwise than in the recording is the result of the test type, not of this check.
    """
    try:
        found = json.loads((folder / REPLAY_REPORT).read_text(encoding="utf-8"))
        told = f"it sent {found['sent']} messages and got {found['got']}, the other side heard {heard}"
        talked = found["sent"] > 0 and heard > 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        told, talked = f"its report cannot be read: {error}", False
    verdict = Verdict.PASS if talked else Verdict.FAIL
    return CheckResult(name=f"player {service}", verdict=verdict, evidence=told, proves_exchange=talked)
