"""`panther import`: a result file of the QUIC interop runner becomes a run, to be shown and compared beside ours."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panther_hookspecs import CommandContext, ConfigurationException

_VERDICTS = {"succeeded": "pass", "failed": "fail", "unsupported": "unsupported"}
_KEYS = ("servers", "clients", "results", "tests")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to read and where to put it."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the result file (JSON)")
    parser.add_argument("--output", "-o", metavar="DIR", type=Path, required=True, help="the new run's folder")


def run(args: argparse.Namespace, context: CommandContext) -> int:
    """Write the run."""
    given = _read(args.file)
    records = list(records_of(given))
    try:
        args.output.mkdir(parents=True)
    except FileExistsError as error:
        raise ConfigurationException(f"{args.output} is there already\n  try: another --output") from error
    except OSError as error:
        raise ConfigurationException(f"cannot make {args.output}: {error.strerror}") from error
    described = {"name": "quic-interop-runner", "description": f"Imported from {args.file.name}", "protocol": "quic"}
    lock = {"v": 1, "imported": {key: given.get(key) for key in ("start_time", "end_time", "quic_version", "urls")}}
    # Written last: what makes the folder a run is there only when everything else is.
    (args.output / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    (args.output / "events.jsonl").write_text("", encoding="utf-8")
    (args.output / "panther.lock.json").write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")
    (args.output / "resolved.yaml").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    context.say(f"{args.output}: {len(records)} cases")
    return 0


def _read(path: Path) -> Mapping[str, Any]:
    try:
        given: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationException(f"cannot read {path}: {error}") from error
    missing = [key for key in _KEYS if not isinstance(given, dict) or key not in given]
    if missing:
        raise ConfigurationException(f"{path} is no result file of the interop runner: it has no {', '.join(missing)}")
    pairs = len(given["clients"]) * len(given["servers"])
    if len(given["results"]) != pairs:
        raise ConfigurationException(
            f"{path} has results of {len(given['results'])} pairs, and there are {pairs} pairs"
        )
    found: Mapping[str, Any] = given
    return found


def records_of(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one record for each test that was tried; those that were not run are left out."""
    pairs = [(client, server) for client in given["clients"] for server in given["servers"]]
    measured = given.get("measurements") or [[]] * len(pairs)
    started = datetime.fromtimestamp(float(given.get("start_time") or 0), UTC).isoformat()
    for (client, server), tests, numbers in zip(pairs, given["results"], measured, strict=False):
        for test in (*tests, *numbers):
            verdict = _VERDICTS.get(str(test.get("result")))
            if verdict is not None:
                yield _record(client, server, test, verdict, started)


def _record(client: str, server: str, test: Mapping[str, Any], verdict: str, started: str) -> dict[str, Any]:
    name = str(test.get("name") or test.get("abbr"))
    identity = hashlib.sha256(f"{name} {client} {server}".encode()).hexdigest()[:12]
    return {
        "v": 1,
        "case": f"{name}-{identity}",
        "name": name,
        "cell": {"server": server, "client": client},
        "repetition": 1,
        "attempt": 1,
        "final": True,
        "verdict": verdict,
        "expected": ["pass", "unsupported"],
        "as_expected": verdict in ("pass", "unsupported"),
        "why": str(test.get("details") or ("" if verdict == "pass" else "the result file gives no reason")),
        "seed": 0,
        "started": started,
        "seconds": 0.0,
        "timings": {},
        "type": "functional",
        "protocol": "quic",
        "scenario": name,
        "network_environment": "quic-network-simulator",
        "instruments": [],
        "system": "",
        "services": {
            role: {"implementation": who, "version": "", "role": role, "exit": "unknown"}
            for role, who in (("server", server), ("client", client))
        },
        "checks": [],
        "measurements": [],
        "findings": [],
        "artifacts": [],
        "problems": [],
        "notes": [],
        "folder": "",
    }
