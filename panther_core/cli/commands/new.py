"""`panther new`: begin something from a template."""

from __future__ import annotations

import argparse
from pathlib import Path

from panther_core.cli.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what can be made, each with its own arguments."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    plugin = what.add_parser("plugin", help="a plugin package with tests, ready to install")
    plugin.add_argument("kind", metavar="KIND", help="what it brings: protocol, service, env, profiler, ...")
    plugin.add_argument("name", metavar="NAME", help="its name, as experiments will write it")
    plugin.add_argument(
        "--into", metavar="DIR", default=".", help="the folder to make panther-KIND-NAME in (default: this one)"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Make it and say how to go on."""
    from panther_core.scaffold import create  # noqa: PLC0415 - needed only here

    made = create(args.kind, args.name, Path(args.into))
    console.say(f"{made}\nnext:\n  pip install -e '{made}[test]'\n  python -m pytest {made}\n  panther plugins")
    return 0
