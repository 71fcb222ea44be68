"""A run directory as the engine leaves it, with one case of every verdict, for reports and observers to work on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panther_core.results import DirectoryView
from panther_hookspecs import Verdict

_EXPERIMENT = """\
name: sample
protocol: dummy
network_environment: dummy
test_cases:
- name: transfer
"""
_ODD = 'a | b <script>alert(1)</script> & "quoted" \u00fcml\u00e4ut \u65e5\u672c \x1b[31mred'


def sample_run(folder: Path, *, empty: bool = False) -> DirectoryView:
    """Write a finished run into ``folder`` and return it to read from; an empty one has no attempt."""
    (folder / "cases").mkdir(parents=True)
    (folder / "experiment.yaml").write_text(_EXPERIMENT)
    (folder / "resolved.yaml").write_text(_EXPERIMENT)
    (folder / "panther.lock.json").write_text(json.dumps({"v": 1, "seed": 42, "kernel": "Linux 6"}))
    attempts = [] if empty else _attempts()
    (folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in attempts))
    events = [
        {
            "name": "test.completed",
            "entity_type": "test",
            "entity_id": each["case"],
            "test_case_id": each["case"],
            "timestamp": each["started"],
        }
        for each in attempts
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    for each in attempts:
        service = folder / str(each["folder"]) / "services" / "client"
        service.mkdir(parents=True)
        (service / "stdout").write_text("talked\n")
        (service / "stderr").write_text("")
    return DirectoryView(folder)


def _attempts() -> list[Mapping[str, Any]]:
    made = []
    for number, verdict in enumerate(Verdict):
        case = f"{number:012x}"
        if verdict is Verdict.FLAKY:
            made += [_attempt(case, number, Verdict.FAIL, final=False), _attempt(case, number, Verdict.PASS, attempt=2)]
        else:
            made.append(_attempt(case, number, verdict))
    return made


def _attempt(case: str, number: int, verdict: Verdict, *, attempt: int = 1, final: bool = True) -> Mapping[str, Any]:
    good = verdict is Verdict.PASS
    return {
        "v": 1,
        "case": case,
        "name": "transfer" if number % 2 else f"odd {_ODD}",
        "cell": {"client": f"impl-{number}"},
        "repetition": 1,
        "attempt": attempt,
        "final": final,
        "verdict": verdict.value,
        "expected": ["pass"],
        "as_expected": good,
        "why": f"the {verdict.value} reason: {_ODD}",
        "seed": number,
        "started": f"2026-01-02T03:04:{number:02}+00:00",
        "seconds": 0.5 + number,
        "timings": {"setup": 0.1, "stop": 0.05},
        "type": "functional",
        "protocol": "dummy",
        "scenario": "talk",
        "network_environment": "dummy",
        "instruments": ["dummy"],
        "services": {
            "client": {
                "implementation": f"impl-{number}",
                "version": "1.0",
                "role": "client",
                "exit": "exit code 0",
                "code": 0,
                "signal": None,
                "reason": "exit",
                "usage": {"cpu_user": 0.1, "max_rss_bytes": 1 << 20},
            },
            "server": {"implementation": "impl-0", "version": "", "role": "server", "exit": "never started"},
        },
        "checks": [
            {"name": "client talked", "verdict": "pass" if good else "fail", "evidence": _ODD, "proves_exchange": good}
        ],
        "measurements": [{"name": "cpu_seconds", "value": 0.25, "unit": "s", "service": "client"}],
        "findings": []
        if good
        else [
            {
                "source": "dummy",
                "kind": "leak",
                "message": _ODD,
                "service": "client",
                "severity": "error",
                "count": 2,
                "stack": ["main", "work"],
                "fingerprint": f"f{number}",
                "artifact": "",
            }
        ],
        "artifacts": [{"path": "services/client/stdout", "kind": "stdout", "service": "client", "title": ""}],
        "problems": [] if good else [f"a problem: {_ODD}"],
        "notes": [],
        "folder": f"cases/{case}/{attempt}",
    }
