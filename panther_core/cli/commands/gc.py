"""`panther gc`: remove old runs by a rule, or pack their evidence."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from panther_core.cli.blocks import Rows, link
from panther_core.cli.console import Console
from panther_core.cli.text import plural, shown_path, size
from panther_core.results.shelf import Policy, Shelved, pack, remove, runs_in, unpack
from panther_hookspecs import Age, Bytes, ConfigurationException, Quantity


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the rules. Without one nothing is removed."""
    parser.add_argument("folder", metavar="DIR", nargs="?", help="the folder with the runs (default: runs)")
    parser.add_argument("--keep", type=int, metavar="N", help="keep the N newest runs of each experiment")
    parser.add_argument(
        "--older-than", type=_quantity(Age), metavar="AGE", help="remove runs that ended longer ago, e.g. 30d"
    )
    parser.add_argument(
        "--at-most",
        type=_quantity(Bytes),
        metavar="SIZE",
        help="remove the oldest until all runs take no more, e.g. 20GiB",
    )
    parser.add_argument("--unfinished", action="store_true", help="remove also runs that could be resumed")
    parser.add_argument(
        "--unexpected", action="store_true", help="remove also runs in which something was not as expected"
    )
    parser.add_argument("--pack", action="store_true", help="compress the evidence of a run instead of removing it")
    parser.add_argument("--unpack", metavar="RUN", help="put the packed evidence of a run back into its place")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def _quantity(kind: type[Quantity]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            return kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse


def run(args: argparse.Namespace, console: Console) -> int:
    """Remove or pack what the rules say, the oldest first."""
    if args.unpack:
        folder = console.run_folder(args.unpack)
        console.say(f"{shown_path(folder)}: {'unpacked' if unpack(folder) else 'nothing is packed'}")
        return 0
    if args.keep is None and args.older_than is None and args.at_most is None:
        raise ConfigurationException(
            "no rule says which runs may go\n  try: --keep N, --older-than AGE or --at-most SIZE"
        )
    if args.keep is not None and args.keep < 0:
        raise ConfigurationException(f"--keep {args.keep}: a number of runs cannot be negative")
    policy = Policy(
        keep=args.keep,
        older_than=args.older_than,
        at_most=args.at_most,
        unfinished=args.unfinished,
        unexpected=args.unexpected,
    )
    gone = policy.gone(runs_in(console.folder_of_runs(args.folder)), time.time())
    return _act([each for each in gone if not (args.pack and each.packed)], args, console)


def _act(gone: list[Shelved], args: argparse.Namespace, console: Console) -> int:
    saved, failed, rows = 0, [], []
    for each in gone:
        try:
            freed = each.size if not args.pack else 0 if args.dry_run else pack(each)
            if not (args.pack or args.dry_run):
                remove(each)
        except OSError as error:
            failed.append(f"{shown_path(each.folder)}: {error.strerror or error}")
            continue
        saved += freed
        rows.append((link(each.folder), size(each.size)))
    if rows:
        console.show(Rows(rows=rows, right=(1,)))
    console.say(_told(len(rows), saved, args))
    if failed:
        console.complain(f"could not touch everything: {failed[-1]}")
    return 1 if failed else 0


def _told(count: int, saved: int, args: Any) -> str:
    if not count:
        return "nothing may go by these rules"
    done = "packed" if args.pack else "removed"
    would = "would be " if args.dry_run else ""
    return f"{plural(count, 'run')} {would}{done}" + (f", {size(saved)} {would}freed" if saved else "")
