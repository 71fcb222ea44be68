"""`panther runs`: the runs there are, what each has shown and what it takes."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from panther_core.cli.attempts import counted
from panther_core.cli.blocks import Line, Rows, Styled, link
from panther_core.cli.console import Console
from panther_core.cli.text import plural, size
from panther_core.results.shelf import Shelved, runs_in


def configure(parser: argparse.ArgumentParser) -> None:
    """Add where to look."""
    parser.add_argument("folder", metavar="DIR", nargs="?", help="the folder with the runs (default: runs)")
    parser.add_argument("--json", action="store_true", help="print a list of objects")


def run(args: argparse.Namespace, console: Console) -> int:
    """List them, the newest first."""
    base = console.folder_of_runs(args.folder)
    runs = runs_in(base)
    if args.json:
        console.say(json.dumps([_as_json(each) for each in runs], indent=1))
        return 0
    if not runs:
        console.say(f"there is no run in {base}")
        return 0
    titles = ("ended", "size", "run", "what it has shown")
    console.show(Rows(rows=[_row(each) for each in runs], titles=titles, right=(1,)))
    console.say(f"{plural(len(runs), 'run')}, {size(sum(each.size for each in runs))}")
    return 0


def _row(run: Shelved) -> list[Line]:
    ended = datetime.fromtimestamp(run.ended, UTC).strftime("%Y-%m-%d %H:%M")
    told = counted(run.counts) or ["nothing has finished"]
    state = ", goes on" if run.busy else ", unfinished" if run.unfinished else ""
    odd = [Styled(f", {run.unexpected} unexpected", "red")] if run.unexpected else []
    return [ended, size(run.size), link(run.folder), [*told, *odd, state + (", packed" if run.packed else "")]]


def _as_json(run: Shelved) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "name": run.name,
        "ended": datetime.fromtimestamp(run.ended, UTC).isoformat(),
        "bytes": run.size,
        "counts": dict(run.counts),
        "unexpected": run.unexpected,
        "unfinished": run.unfinished,
        "busy": run.busy,
        "packed": run.packed,
    }
