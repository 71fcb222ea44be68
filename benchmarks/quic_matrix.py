"""Print the matrix of a run of QUIC implementations as Markdown: who understands whom, and why not.

    panther run docs/examples/quic-interop.yaml --select 'name=file' --jobs 2
    python benchmarks/quic_matrix.py runs/quic-interop-...

A cell has a sign for each column of the cases: their application protocol, or their name where a run has several.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SIGNS = {"pass": "+", "fail": "**fails**", "unsupported": "", "flaky": "**flaky**"}


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the final records of a run."""
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["final"]]


def kind_of(record: Mapping[str, Any]) -> str:
    """Return what a cell shows this case as: its application protocol or its name."""
    return str(record["cell"].get("parameters.alpn") or record["name"])


def cell(records: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of one cell."""
    verdicts = {kind_of(each): str(each["verdict"]) for each in records}
    tried = {kind: verdict for kind, verdict in verdicts.items() if verdict != "unsupported"}
    bad = [f"{kind} {SIGNS.get(verdict, verdict)}" for kind, verdict in tried.items() if verdict != "pass"]
    good = [kind for kind, verdict in tried.items() if verdict == "pass"]
    shown = ", ".join(good) if len(verdicts) <= len(SIGNS) // 2 else f"{len(good)} of {len(tried)}"
    return "; ".join(filter(None, [shown if tried else "", *bad])) or "-"


def table(records: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the matrix: a row for each client, a column for each server."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for each in records:
        cells[each["cell"]["client"], each["cell"]["server"]].append(each)
    clients, servers = (sorted({pair[at] for pair in cells}) for at in (0, 1))
    lines = ["| client \\ server | " + " | ".join(servers) + " |", "|---" * (len(servers) + 1) + "|"]
    rows = ([client, *(cell(cells[client, server]) for server in servers)] for client in clients)
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def failures(records: list[dict[str, Any]]) -> list[str]:
    """Return the cells that failed, each with what was seen."""
    bad = [each for each in records if each["verdict"] not in ("pass", "unsupported")]
    lines = ["| client | server | what | verdict | seen |", "|---|---|---|---|---|"]
    for each in sorted(bad, key=lambda each: (each["cell"]["server"], each["cell"]["client"], each["name"])):
        why = str(each["why"]).replace("|", "\\|")
        lines.append(
            f"| {each['cell']['client']} | {each['cell']['server']} | {kind_of(each)} | {each['verdict']} | {why} |"
        )
    return lines


def versions(run: Path) -> str:
    """Return which implementations took part, each with the version that was found."""
    sheets = (json.loads(path.read_text(encoding="utf-8")) for path in run.glob("cases/*/*/services/*/quic.json"))
    return ", ".join(sorted({f"{each['implementation']} {each['version'] or '(unknown)'}" for each in sheets}))


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    run = parser.parse_args().run
    records = read(run)
    counts = Counter(str(each["verdict"]) for each in records)
    tried = sum(count for verdict, count in counts.items() if verdict != "unsupported")
    print(f"{tried} cells were tried: {counts['pass']} pass, {tried - counts['pass']} do not.\n")
    print(f"Versions: {versions(run)}.\n")
    print("\n".join([*table(records), "", *failures(records)]))


if __name__ == "__main__":
    main()
