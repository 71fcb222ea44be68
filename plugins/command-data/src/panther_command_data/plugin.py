"""What PANTHER loads: the commands ``query`` and ``import``, and the report ``parquet``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from panther_hookspecs import CommandDescriptor, Need, ReportDescriptor, RunView, hookimpl

_DUCKDB = Need("python", "duckdb", package="duckdb", why="reads and writes the tables")


def _late(module: str, function: str) -> Callable[..., Any]:
    """Return a function that imports the real one when it is called, not at every start of the console."""

    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module(f"panther_command_data.{module}"), function)(*arguments)

    return call


@hookimpl
def panther_register_commands() -> Iterable[CommandDescriptor]:
    """Announce both commands."""
    yield CommandDescriptor(
        name="query",
        summary="Ask runs a question in SQL",
        configure=_late("query", "configure"),
        run=_late("query", "run"),
        needs=(_DUCKDB,),
    )
    yield CommandDescriptor(
        name="import",
        summary="Make a run from a result file of the QUIC interop runner",
        configure=_late("interop", "configure"),
        run=_late("interop", "run"),
    )


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Announce the report."""
    yield ReportDescriptor(
        name="parquet",
        filename="measurements.parquet",
        summary="Every measurement of every attempt as a table for data frames",
        write=_write_parquet,
        exports=True,
        needs=(_DUCKDB,),
    )


def _write_parquet(run: RunView, target: Path, _options: Any) -> None:
    _late("tables", "write_parquet")(run, target)
