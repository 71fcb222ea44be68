"""Holds the services of a case until somebody outside has done with them."""

from __future__ import annotations

import json
import time

from panther_hookspecs import CaseControl, Endpoint, StageResult

ENDPOINTS, RELEASE = "endpoints.json", "release"
PAUSE = 0.02


def hold(case: CaseControl) -> StageResult:
    """Write where the services are to ``endpoints.json`` of the attempt, and wait for the file ``release``."""
    found = {name: _told(case.endpoint(name)) for name in case.services}
    waiting = case.folder / f".{ENDPOINTS}"
    waiting.write_text(json.dumps(found), encoding="utf-8")
    waiting.rename(case.folder / ENDPOINTS)
    while not (case.folder / RELEASE).exists():
        if case.remaining() <= 0:
            raise TimeoutError("nobody has released the services within the time of the case")
        for name in case.services:
            if name not in case.ending and case.process(name).exit is not None:
                return StageResult()  # the engine says itself which service has ended
        time.sleep(PAUSE)
    return StageResult()


def _told(endpoint: Endpoint) -> dict[str, object]:
    return {"ip": endpoint.ip, "ip6": endpoint.ip6, "ports": dict(endpoint.ports), "folder": endpoint.folder}
