"""The ro-crate report: what is in a run's folder, for archives and for those who judge artifacts (RO-Crate 1.1)."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panther_core.results.directory import AS_WRITTEN, LOCK, RESOLVED, RESULTS
from panther_hookspecs import RunView

_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_PROFILE = "https://w3id.org/ro/crate/1.1"
_NAMES = {
    AS_WRITTEN: "The experiment as it was written",
    RESOLVED: "The experiment as it was understood, every default filled in",
    LOCK: "Versions, machine, settings, hashes of programs, seed: what a repetition needs",
    RESULTS: "One line for each finished attempt",
    "events.jsonl": "Every event, in order",
}


def write_crate(run: RunView, target: Path, _options: object) -> None:
    """Describe the run and every file of it; the description belongs into the run's folder."""
    files = [each for each in sorted(run.folder.rglob("*")) if each.is_file() and each.name != target.name]
    experiment = run.experiment
    described = {
        "@id": "./",
        "@type": "Dataset",
        "name": str(experiment.get("name") or run.folder.name),
        "description": str(
            experiment.get("description") or "A run of a network-protocol experiment, with its evidence"
        ),
        "identifier": run.folder.name,
        "datePublished": _ended(run.folder),
        "license": "not stated",
        "hasPart": [{"@id": each.relative_to(run.folder).as_posix()} for each in files],
        "mentions": {"@id": "#panther"},
    }
    graph = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": _PROFILE},
            "about": {"@id": "./"},
        },
        described,
        {"@id": "#panther", "@type": "SoftwareApplication", "name": "PANTHER", "softwareVersion": _version(run)},
        *_files(run.folder, files),
    ]
    target.write_text(json.dumps({"@context": _CONTEXT, "@graph": graph}, indent=1) + "\n", encoding="utf-8")


def _files(folder: Path, files: list[Path]) -> Iterator[dict[str, Any]]:
    for each in files:
        path = each.relative_to(folder).as_posix()
        kind = mimetypes.guess_type(each.name)[0]
        yield {
            "@id": path,
            "@type": "File",
            "contentSize": str(each.stat().st_size),
            **({"name": _NAMES[path]} if path in _NAMES else {}),
            **({"encodingFormat": kind} if kind else {}),
        }


def _ended(folder: Path) -> str:
    return datetime.fromtimestamp((folder / RESULTS).stat().st_mtime, UTC).isoformat(timespec="seconds")


def _version(run: RunView) -> str:
    return str((run.lock.get("libraries") or {}).get("panther-pluggy") or "unknown")
