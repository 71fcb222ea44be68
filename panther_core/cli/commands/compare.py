"""`panther compare`: what differs between two runs, and whether that means anything."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from panther_core.cli.comparison import comparison_blocks
from panther_core.cli.console import Console
from panther_core.compare import CellView, Rules, as_data, compare, conclusion, parse_cell
from panther_hookspecs import RunView, Share

_WORSE = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the command."""
    parser.add_argument(
        "a",
        metavar="A",
        help="the run to compare with: its folder, its name, or last; RUN@AXIS=VALUE means a part of its matrix",
    )
    parser.add_argument("b", metavar="B", help="the run to judge")
    parser.add_argument(
        "--fail-on", choices=("regression",), help="end with 1 if anything got worse: a verdict, a finding or a metric"
    )
    parser.add_argument(
        "--limit",
        metavar="METRIC=SHARE",
        type=_limit,
        action="append",
        default=[],
        help="by how much the median of METRIC (a name or a pattern) may differ before that matters "
        "(default: '*=5%%'); may be repeated, the last that fits counts",
    )
    parser.add_argument(
        "--metric", metavar="GLOB", action="append", default=[], help="compare these metrics only; may be repeated"
    )
    parser.add_argument(
        "--higher",
        metavar="GLOB",
        action="append",
        default=[],
        help="metrics of which more is better, besides throughput and the like; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one object with all values and all that was tested")


def _limit(text: str) -> tuple[str, float]:
    pattern, sign, share = text.rpartition("=")
    try:
        limit = Share.parse(share)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
    if not sign or not pattern or limit < 0:
        raise argparse.ArgumentTypeError(f"expected METRIC=SHARE, for example server.cpu_seconds=10%, got {text!r}")
    return pattern, float(limit)


def _opened(text: str, console: Console) -> RunView:
    """Return the run, or the part of it that is named behind an @."""
    name, sign, cell = text.rpartition("@")
    if not sign or Path(text).exists():
        return console.open_run(text)
    return CellView(console.open_run(name), parse_cell(cell))


def _part(view: RunView) -> str:
    return ", ".join(f"{axis}={value}" for axis, value in view.cell.items()) if isinstance(view, CellView) else ""


def run(args: argparse.Namespace, console: Console) -> int:
    """Compare two runs."""
    a, b = _opened(args.a, console), _opened(args.b, console)
    rules = Rules(metrics=tuple(args.metric), limits=tuple(args.limit), higher=tuple(args.higher))
    found = compare(a, b, rules)
    if args.json:
        console.say(json.dumps(as_data(found, a.folder, b.folder), indent=1))
    else:
        console.show(*comparison_blocks(found, a.folder, b.folder, (_part(a), _part(b))))
    if args.fail_on and any(found.regressions()):
        console.complain(conclusion(found))
        return _WORSE
    return 0
