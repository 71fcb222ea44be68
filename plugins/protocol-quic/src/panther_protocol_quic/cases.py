"""A case after it has run, as the judge sees it: what each side was told, what it left, and how it ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import ExitStatus, ScenarioEvidence
from panther_protocol_quic.materials import Document, documents
from panther_protocol_quic.places import PATHS, SHEET

_LONGEST = 200


@attrs.frozen(kw_only=True)
class Side:
    """One service: what it was told, and how it ended."""

    name: str
    folder: Path
    sheet: Mapping[str, Any]
    exit: ExitStatus | None
    output: str
    """What it printed, both streams."""

    @property
    def implementation(self) -> str:
        """Name and version, as a sentence names it."""
        return f"{self.sheet.get('implementation', self.name)} {self.sheet.get('version', '')}".strip()

    def why(self) -> str:
        """Return what its output tells about a failure, or nothing."""
        for pattern in self.sheet.get("why", ()):
            found = list(re.finditer(pattern, self.output, re.MULTILINE))
            if found:
                return (found[-1][1] if found[-1].re.groups else found[-1][0]).strip()[:_LONGEST]
        said = (line.strip() for line in self.output.splitlines())
        lines = [line for line in said if line and not line.lower().startswith("usage:")]
        return lines[-1][:_LONGEST] if lines and self.sheet.get("why") else ""

    @property
    def failed(self) -> str:
        """How it says by its exit that it failed, or nothing."""
        if self.exit is None:
            return "nobody knows how it ended"
        if self.exit.ok or (self.exit.code is not None and not self.sheet.get("exit_counts", True)):
            return ""
        return str(self.exit)

    @property
    def declines(self) -> bool:
        """Whether it says by its exit code that it does not implement this."""
        code = self.sheet.get("unsupported_exit")
        return code is not None and self.exit is not None and self.exit.code == code


@attrs.frozen(kw_only=True)
class Case:
    """A client and the server it talked to."""

    scenario: str
    seed: int
    parameters: Mapping[str, Any]
    client: Side
    server: Side
    seen: ScenarioEvidence
    wanted: tuple[Document, ...]
    """The files that were to arrive."""

    def downloaded(self) -> dict[str, Path]:
        """Return what the client has stored, by name."""
        folder = self.client.folder / PATHS["downloads"]
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file()} if folder.is_dir() else {}


def cases(scenario: str, seen: ScenarioEvidence) -> Iterator[Case]:
    """Yield a case for every client."""
    servers = seen.named("server")
    parameters = attrs.asdict(seen.parameters, recurse=False)
    for client in seen.named("client"):
        if servers:
            yield Case(
                scenario=scenario,
                seed=seen.seed,
                parameters=parameters,
                wanted=documents(parameters, seen.seed),
                client=_side(client, seen),
                server=_side(servers[0], seen),
                seen=seen,
            )


def _side(name: str, seen: ScenarioEvidence) -> Side:
    folder = seen.evidence.folders[name]
    path = folder / SHEET
    return Side(
        name=name,
        folder=folder,
        sheet=json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {},
        exit=seen.evidence.exits.get(name),
        output=seen.evidence.text(name) + seen.evidence.text(name, "stderr"),
    )
