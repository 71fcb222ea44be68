"""Runs as tables: the lines of ``results.jsonl``, typed, and views that take their lists apart."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from panther_hookspecs import EnvironmentUnavailableError, RunView

_RESULTS = "results.jsonl"
COLUMNS = {
    "v": "INTEGER",
    "case": "VARCHAR",
    "name": "VARCHAR",
    "cell": "MAP(VARCHAR, VARCHAR)",
    "repetition": "INTEGER",
    "attempt": "INTEGER",
    "final": "BOOLEAN",
    "verdict": "VARCHAR",
    "expected": "VARCHAR[]",
    "as_expected": "BOOLEAN",
    "why": "VARCHAR",
    "seed": "UBIGINT",
    "started": "TIMESTAMP",
    "seconds": "DOUBLE",
    "timings": "MAP(VARCHAR, DOUBLE)",
    "type": "VARCHAR",
    "protocol": "VARCHAR",
    "scenario": "VARCHAR",
    "network_environment": "VARCHAR",
    "instruments": "VARCHAR[]",
    "system": "VARCHAR",
    "services": "MAP(VARCHAR, STRUCT(implementation VARCHAR, version VARCHAR, role VARCHAR, exit VARCHAR, "
    "code INTEGER, signal INTEGER, reason VARCHAR))",
    "checks": "STRUCT(name VARCHAR, verdict VARCHAR, evidence VARCHAR, proves_exchange BOOLEAN)[]",
    "measurements": "STRUCT(name VARCHAR, value DOUBLE, unit VARCHAR, service VARCHAR)[]",
    "findings": "STRUCT(source VARCHAR, kind VARCHAR, message VARCHAR, service VARCHAR, severity VARCHAR, "
    "count BIGINT, stack VARCHAR[], fingerprint VARCHAR, artifact VARCHAR)[]",
    "artifacts": "STRUCT(path VARCHAR, kind VARCHAR, service VARCHAR, title VARCHAR)[]",
    "problems": "VARCHAR[]",
    "notes": "VARCHAR[]",
    "folder": "VARCHAR",
}
"""The fields of a record with their types; what a later version adds is not seen until it is named here."""
_ABOUT = ("run", '"case"', "name AS case_name", "cell", "repetition", "attempt", "verdict AS case_verdict")
VIEWS = {
    "measurements": ("unnest(measurements)", ("service", "name", "value", "unit")),
    "checks": ("unnest(checks)", ("name", "verdict", "evidence", "proves_exchange")),
    "findings": (
        "unnest(findings)",
        ("source", "kind", "message", "service", "severity", "count", "stack", "fingerprint", "artifact"),
    ),
    "services": (
        "unnest(map_entries(services))",
        (
            "key",
            *(f"value.{each}" for each in ("implementation", "version", "role", "exit", "code", "signal", "reason")),
        ),
    ),
}
"""Views beside ``attempts``, which has one row for each line: what is taken apart, and the columns that come of it."""


def connected(runs: Sequence[Path]) -> Any:
    """Return a database in memory that reads the results of the runs when it is asked.

    A line that a killed run has left unfinished counts for nothing.
    """
    duckdb = _duckdb()
    connection = duckdb.connect()
    files = [str(run / _RESULTS) for run in runs]
    connection.read_json(
        files,
        columns=COLUMNS,
        format="newline_delimited",
        ignore_errors=True,
        filename=True,
        maximum_object_size=1 << 28,
    ).create_view("lines")
    lines = connection.view("lines").filter('"case" IS NOT NULL')
    run = f"regexp_extract(filename, '([^/]+)/{_RESULTS}$', 1) AS run"
    attempts = lines.project(f"{run}, * EXCLUDE (filename)")
    attempts.create_view("attempts")
    for name, (taken, columns) in VIEWS.items():
        parts = (f"part.{column} AS {_column(column)}" for column in columns)
        attempts.project(f"*, {taken} AS part").project(", ".join([*_ABOUT, *parts])).create_view(name)
    return connection


def _column(path: str) -> str:
    name = path.rpartition(".")[2]
    return "service" if name == "key" else name


def _duckdb() -> Any:
    try:
        return importlib.import_module("duckdb")
    except ImportError as error:
        raise EnvironmentUnavailableError(
            "this needs duckdb, which is not installed\n  try: pip install 'panther-command-data[duckdb]'"
        ) from error


def write_parquet(run: RunView, target: Path) -> None:
    """Write one row for each measurement of each attempt."""
    connected([run.folder]).view("measurements").write_parquet(str(target), compression="zstd")
