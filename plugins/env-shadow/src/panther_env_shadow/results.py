"""What a simulation leaves behind, made into what PANTHER keeps: streams, recordings, tables, numbers."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from panther_env_shadow.log import Ending, Told
from panther_env_shadow.pcapng import convert
from panther_env_shadow.simulation import Times, host_name
from panther_env_shadow.syscalls import in_vain
from panther_hookspecs import Artifact, Finding, Measurement, ServiceLaunch

TABLE, STATISTICS = "unsupported.json", "sim-stats.json"
_FIRST_PID = "1000"
_REAL = {"clock": "real"}


@attrs.frozen(kw_only=True)
class Row:
    """One thing that a process asked for in vain."""

    service: str
    process: str
    what: str
    error: str
    count: int


def place_streams(data: Path, launch: ServiceLaunch) -> dict[str, int]:
    """Put the output of a service where every service has it; return what was cut, with its whole size."""
    cut = {}
    for stream in ("stdout", "stderr"):
        target = launch.folder / stream
        for source in (data / "hosts" / host_name(launch.name)).glob(f"*.{_FIRST_PID}.{stream}"):
            size = source.stat().st_size
            if size > launch.output_limit:
                cut[stream] = size
                with source.open("rb") as file:
                    target.write_bytes(file.read(launch.output_limit))
            else:
                shutil.move(source, target)
        if not target.exists():
            target.touch()
    return cut


def syscall_logs(data: Path, service: str) -> tuple[Path, ...]:
    """Return the logs of the system calls of a service's processes."""
    return tuple(sorted((data / "hosts" / host_name(service)).glob("*.strace")))


def recordings(data: Path, folder: Path, services: Iterable[str]) -> Iterator[Artifact]:
    """Write the recordings of all hosts that have one, and yield them as evidence."""
    for name in services:
        source = data / "hosts" / host_name(name) / "eth0.pcap"
        if source.is_file():
            target = folder / "capture" / f"{name}.pcapng"
            target.parent.mkdir(exist_ok=True)
            convert(source, target)
            yield Artifact(path=str(target.relative_to(folder)), kind="capture", service=name)


def table_of(told: Told, logs: Mapping[str, Sequence[Path]], traced: bool) -> list[Row]:
    """Return what every process asked for in vain, by its calls, or as far as the log of the simulator tells."""
    rows = []
    for service, paths in logs.items():
        for path in paths:
            process = path.name.removesuffix(".strace")
            rows += [
                Row(service=service, process=process, what=name, error=error, count=count)
                for (name, error), count in sorted(in_vain(path).items())
            ]
    hosts = {host_name(each): each for each in logs}
    for lack, count in told.lacks.items():
        if lack.host in hosts and not (traced and lack.kind == "syscall"):
            rows.append(Row(service=hosts[lack.host], process="", what=lack.what, error="", count=count))
    return rows


def write_table(rows: Sequence[Row], folder: Path) -> None:
    """Write the table, if there is anything in it."""
    if rows:
        content = [attrs.asdict(each) for each in rows]
        (folder / TABLE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def findings_of(rows: Iterable[Row]) -> Iterator[Finding]:
    """Yield one finding for each thing that a service asked for in vain."""
    for row in rows:
        told = f"{row.what} is answered with {row.error}" if row.error else row.what
        mark = hashlib.sha256(f"{row.service} {row.what} {row.error}".encode()).hexdigest()[:16]
        yield Finding(
            source="shadow",
            kind="unsupported",
            message=told,
            service=row.service,
            severity="warning",
            count=row.count,
            fingerprint=mark,
            artifact=f"network/{TABLE}",
        )


def measurements_of(
    data: Path, endings: Mapping[str, Ending], times: Mapping[str, Times], last: float, real: float
) -> Iterator[Measurement]:
    """Yield how long services lived by simulated time, and what the simulator counted."""
    for name, each in times.items():
        ending = endings.get(host_name(name))
        at = ending.at if ending else last
        yield Measurement(name="simulated_seconds", value=round(at - each.start, 9), unit="s", service=name)
    yield Measurement(name="shadow.real_seconds", value=round(real, 6), unit="s", labels=_REAL)
    statistics = data / STATISTICS
    if statistics.is_file():
        calls: Mapping[str, int] = json.loads(statistics.read_text(encoding="utf-8")).get("syscalls", {})
        yield Measurement(name="shadow.syscalls", value=sum(calls.values()))
        for name, count in calls.items():
            yield Measurement(name=f"shadow.syscall.{name.replace('-', '_')}", value=count)
