"""What a load leaves behind: the files that any load generator writes, and everybody else reads.

``load.json`` is the summary, ``requests.csv`` has one line for each request of the measured part.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from panther_hookspecs.values import CheckResult, Measurement, Verdict

LOAD_REPORT, LOAD_REQUESTS = "load.json", "requests.csv"

Percentiles = Mapping[str, float | None]
"""Seconds by ``p50``, ``p90``, ``p95``, ``p99``, ``p99.9`` and ``max``; None where so many requests got no answer."""


@attrs.frozen(kw_only=True)
class LoadReport:
    """The summary of a load."""

    mode: str
    """``open``: requests go out when they are due. ``closed``: when an answer has come."""
    planned: int
    sent: int
    unsent: int
    """Requests that were due and could not be sent."""
    answered: int
    wrong: int
    lost: int
    """Requests that were sent and not answered in time."""
    again: int
    """Repetitions of requests that had no answer yet."""
    started: float
    """Seconds since the epoch."""
    seconds: float
    throughput: float
    """Right answers a second."""
    busy: float
    """Share of the time in which the load generator had something to do: near 1 it measures itself."""
    start_error: Percentiles
    """How much later than due requests were sent."""
    latency: Percentiles
    """From the moment at which a request was *due* to its answer: waiting in a queue that is too long counts."""
    service_time: Percentiles
    """From the moment at which a request was sent to its answer."""


@attrs.frozen
class LoadRequest:
    """What happened to one request; moments are seconds since the epoch, None for what did not happen."""

    number: int
    due: float
    sent: float | None
    answered: float | None
    right: bool
    tries: int


def read_load(folder: Path) -> LoadReport | None:
    """Return the summary of the load in a service's folder, or None if there is none that can be read."""
    try:
        found = json.loads((folder / LOAD_REPORT).read_text(encoding="utf-8"))
        return LoadReport(**{each.name: found[each.name] for each in attrs.fields(LoadReport)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_requests(folder: Path) -> Iterator[LoadRequest]:
    """Yield the requests of the load in a service's folder; a line that was cut off ends them."""
    path = folder / LOAD_REQUESTS
    if not path.is_file():
        return
    with path.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            try:
                yield LoadRequest(
                    number=int(row["number"]),
                    due=float(row["due"]),
                    sent=float(row["sent"]) if row["sent"] else None,
                    answered=float(row["answered"]) if row["answered"] else None,
                    right=row["right"] == "1",
                    tries=int(row["tries"]),
                )
            except (KeyError, TypeError, ValueError):
                return


def load_measurements(report: LoadReport, service: str) -> Iterator[Measurement]:
    """Yield the numbers of a load as measurements of the service that made it."""
    for name in ("planned", "sent", "unsent", "answered", "wrong", "lost", "again"):
        yield Measurement(name=f"load.{name}", value=float(getattr(report, name)), service=service)
    yield Measurement(name="load.throughput", value=report.throughput, unit="1/s", service=service)
    yield Measurement(name="load.busy", value=report.busy, service=service)
    for name in ("start_error", "latency", "service_time"):
        for share, value in getattr(report, name).items():
            if value is not None:
                yield Measurement(name=f"load.{name}.{share}", value=value, unit="s", service=service)


def check_load(folder: Path, service: str, *, served: int) -> CheckResult:
    """Judge a load: its answers were right, and ``served`` requests that the server itself says it has answered.

    Requests that were lost are a result of a measurement, not a mistake.
    """
    report, name = read_load(folder), f"load of {service}"
    if report is None:
        return CheckResult(name=name, verdict=Verdict.FAIL, evidence=f"{service} left no {LOAD_REPORT}")
    told = f"{report.answered} of {report.planned} requests answered, {report.lost} lost, {report.unsent} not sent"
    if report.wrong:
        return CheckResult(name=name, verdict=Verdict.FAIL, evidence=f"{report.wrong} answers were wrong; {told}")
    if not report.answered:
        return CheckResult(name=name, verdict=Verdict.FAIL, evidence=f"nothing was answered; {told}")
    if served < report.answered:
        evidence = f"{service} has {report.answered} answers, the server says it gave {served}"
        return CheckResult(name=name, verdict=Verdict.FAIL, evidence=evidence)
    return CheckResult(
        name=name, verdict=Verdict.PASS, evidence=f"{told}; {report.throughput:.4g} a second", proves_exchange=True
    )
