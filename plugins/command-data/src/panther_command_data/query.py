"""`panther query`: a question in SQL to one run or many."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from panther_command_data.tables import COLUMNS, VIEWS, connected
from panther_hookspecs import CommandContext, ConfigurationException

_FORMATS = ("table", "json", "csv")
_EPILOG = f"tables: attempts ({', '.join(COLUMNS)}), {', '.join(VIEWS)}; each has a column run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the question and whom it is put to."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "sql", metavar="SQL", help="the question, e.g. 'SELECT verdict, count(*) FROM attempts GROUP BY 1'"
    )
    parser.add_argument(
        "run", metavar="RUN", nargs="*", help="the runs: folders, names, or last (default: last)", default=["last"]
    )
    parser.add_argument("--all", metavar="DIR", help="all runs in a folder")
    parser.add_argument("--format", choices=_FORMATS, default="table", help="how to print the answer (default: table)")


def run(args: argparse.Namespace, context: CommandContext) -> int:
    """Print the answer."""
    connection = connected(list(_runs(args, context)))
    try:
        answer = connection.execute(args.sql)
        titles, rows = [each[0] for each in answer.description or ()], answer.fetchall()
    except Exception as error:
        if not type(error).__module__.startswith(("duckdb", "_duckdb")):
            raise
        first = str(error).strip().splitlines()
        raise ConfigurationException(f"{first[0]}\n  {_EPILOG}") from error
    context.say(_shown(titles, rows, args.format))
    return 0


def _runs(args: argparse.Namespace, context: CommandContext) -> Iterator[Path]:
    if args.all is None:
        yield from (context.open_run(name).folder for name in args.run)
        return
    found = sorted(path.parent for path in Path(args.all).glob("*/results.jsonl"))
    if not found:
        raise ConfigurationException(f"there is no run in {args.all}")
    yield from found


def _shown(titles: Sequence[str], rows: Sequence[Sequence[Any]], style: str) -> str:
    if style == "json":
        return json.dumps([dict(zip(titles, row, strict=True)) for row in rows], indent=1, default=str)
    if style == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([titles, *rows])
        return out.getvalue().rstrip("\n")
    cells = [list(titles), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(titles))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return "".join(each if each.isprintable() else " " for each in text)
