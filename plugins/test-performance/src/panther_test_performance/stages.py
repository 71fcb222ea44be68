"""The stages: leave the first run aside, measure the next one, and say what stood in its way."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    EARLIER_RUN,
    CaseControl,
    Finding,
    LoadReport,
    Measurement,
    StageResult,
    Verdict,
    load_measurements,
    read_load,
)
from panther_test_performance.noise import Noise
from panther_test_performance.options import AUTO, PerformanceOptions
from panther_test_performance.sampling import SERIES, Sampler, used_between

AGREEMENT, MOST_RUNS, IN_A_ROW = 0.1, 10, 3
SOURCE = "performance"
_COMMAND = "command.txt"


@attrs.frozen(kw_only=True)
class Run:
    """One run of the clients: when it took place and what was seen of the machine."""

    began: float
    ended: float
    sampler: Sampler
    noise: Noise

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


def mark(_case: CaseControl) -> StageResult:
    """Remember the moment before anything starts: files that are younger are the work of a run."""
    return StageResult(values={"moment": time.time()})


def warm_up(case: CaseControl) -> StageResult:
    """Let the clients run until they are warm. A load warms up by itself, so its first run is kept."""
    options: PerformanceOptions = case.options
    clients = tuple(case.ending)
    if not clients:
        return StageResult(status=Verdict.ERROR, error="no service of this case ends by itself: there is no run")
    first = _run(case, clients, start=False)
    if options.warmup == 0 or any(read_load(case.folder_of(name)) for name in clients):
        return StageResult(values={"clients": clients, "run": first, "runs": 0})
    times = [first.seconds]
    while not _warm(times[1:], options.warmup, len(times)):
        times.append(_again(case, clients, len(times)).seconds)
    return StageResult(values={"clients": clients, "runs": len(times)})


def _warm(times: Sequence[float], wanted: int | str, runs: int) -> bool:
    if wanted != AUTO:
        return runs >= int(wanted)
    last = times[-IN_A_ROW:]
    return runs >= MOST_RUNS or (len(last) == IN_A_ROW and max(last) <= (1 + AGREEMENT) * min(last))


def measure(case: CaseControl) -> StageResult:
    """Keep the first run that nothing disturbed; after ``repeats`` further tries keep the last and say so."""
    options: PerformanceOptions = case.options
    clients: tuple[str, ...] = case.values["warm-up"]["clients"]
    aside: int = case.values["warm-up"]["runs"]
    run: Run | None = case.values["warm-up"].get("run")
    tries = 0
    while True:
        run = run or _again(case, clients, aside)
        disturbed = run.noise.beyond(options.noise)
        if not disturbed or tries >= options.repeats or case.remaining() < 2 * run.seconds:
            break
        tries, aside, run = tries + 1, max(aside, 0) + 1, None
    run.sampler.write(case.folder / SERIES)
    if disturbed:
        case.find(
            Finding(
                source=SOURCE,
                kind="noisy",
                severity="warning",
                message=f"something else was at work during the measurement: {', '.join(disturbed)} ({tries} repeated)",
            )
        )
    for name, value in attrs.asdict(run.noise).items():
        if value is not None:
            case.measure(Measurement(name=f"performance.{name}", value=value))
    case.measure(Measurement(name="performance.noisy", value=float(bool(disturbed))))
    case.measure(Measurement(name="performance.repeated", value=float(tries)))
    return StageResult(values={"run": run})


def _again(case: CaseControl, clients: Sequence[str], number: int) -> Run:
    """Put what the last run wrote aside and run the clients again."""
    since: float = case.values["mark"]["moment"]
    for name in clients:
        _set_aside(case.folder_of(name), EARLIER_RUN.format(number=number), since)
    return _run(case, clients, start=True)


def _set_aside(folder: Path, name: str, since: float) -> None:
    """Move what a run has written into a folder, so that the next one begins as the first did."""
    target = folder / name
    target.mkdir()
    for path in _written(folder, since):
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.rename(place)
    os.utime(target)  # the moment tells which packets belong to the next run


def _written(folder: Path, since: float) -> list[Path]:
    """Return the files that a run has written, those in folders too, without what earlier ones have left."""
    earlier = EARLIER_RUN.format(number="")
    inside = (each for each in folder.rglob("*") if not each.relative_to(folder).parts[0].startswith(earlier))
    return [
        each
        for each in inside
        if each.is_file() and not each.is_symlink() and each.name != _COMMAND and each.stat().st_mtime >= since
    ]


def _run(case: CaseControl, clients: Sequence[str], *, start: bool) -> Run:
    """Run the clients to their end and look at everybody meanwhile."""
    machine, began = case.watch_machine(), time.time()
    looks = {name: functools.partial(_pids, case, name) for name in case.services}
    with Sampler(looks, float(case.options.interval)) as sampler:
        if start:
            for name in clients:
                case.restart(name)
        case.wait(clients)
    return Run(began=began, ended=time.time(), sampler=sampler, noise=Noise.of(machine()))


def _pids(case: CaseControl, service: str) -> tuple[int, ...]:
    return case.process(service).pids()


def judge(case: CaseControl) -> StageResult:
    """Say what every service used during the measurement, and whether the client was the bottleneck."""
    run: Run = case.values["measure"]["run"]
    clients: tuple[str, ...] = case.values["warm-up"]["clients"]
    loads = {name: report for name in clients if (report := read_load(case.folder_of(name))) is not None}
    begin, end = _window(run, loads.values())
    shares: dict[str, float] = {}
    for service, samples in run.sampler.samples.items():
        used = used_between(samples, begin, end)
        shares[service] = used.cpu / max(end - begin, 1e-9)
        for name, value, unit in (
            ("cpu_share", shares[service], ""),
            ("rss_max", float(used.rss), "B"),
            ("read", float(used.read), "B"),
            ("written", float(used.written), "B"),
        ):
            case.measure(Measurement(name=f"performance.{name}", value=value, unit=unit, service=service))
    for service, report in loads.items():
        for each in load_measurements(report, service):
            case.measure(each)
    if not loads:
        case.measure(Measurement(name="performance.seconds", value=run.seconds, unit="s"))
    found = list(_bottlenecks(case.options, loads, {name: shares.get(name, 0.0) for name in clients}))
    for finding in found:
        case.find(finding)
    case.measure(Measurement(name="performance.client_bound", value=float(bool(found))))
    return StageResult(values={"shares": shares, "client_bound": bool(found)})


def _window(run: Run, loads: Iterable[LoadReport]) -> tuple[float, float]:
    """Return begin and end of what was measured: of the load's measured part, or of the whole run."""
    parts = [(each.started, each.started + each.seconds) for each in loads]
    if not parts:
        return run.began, run.ended
    return min(begin for begin, _ in parts), max(end for _, end in parts)


def _bottlenecks(options: PerformanceOptions, loads: Any, shares: Any) -> Iterator[Finding]:
    """Yield a finding for every client that measured itself rather than the server."""
    for name, share in shares.items():
        report: LoadReport | None = loads.get(name)
        reasons = []
        if report is None:
            if share >= options.saturated:
                reasons.append(f"it used {share:.0%} of a processor")
        else:
            late = report.start_error.get("p99")
            if report.mode == "open" and late is not None and late > options.start_error:
                reasons.append(f"1 % of its requests went out more than {late * 1000:.3g} ms late")
            if report.unsent:
                reasons.append(f"it could not send {report.unsent} of {report.planned} requests")
            if report.busy >= options.saturated:
                reasons.append(f"it was busy {report.busy:.0%} of the time")
        if reasons:
            yield Finding(
                source=SOURCE,
                kind="client-bound",
                service=name,
                severity="warning",
                message=f"{name} was the bottleneck: {'; '.join(reasons)}",
            )
