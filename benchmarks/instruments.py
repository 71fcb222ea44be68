"""Measure how much each instrument slows real servers down, how long they take to start, and how much is written.

    python benchmarks/instruments.py [--repeat 3] [--servers nginx,ngtcp2,aioquic] [TOOL ...]

Every server does little and a lot of work, without and under each instrument, all of it in turns in one run of PANTHER.
What is told is the processor time that the additional work takes under the instrument, as a multiple of what it takes
without: so the start, which is told apart, does not count. Each time is taken at the speed that the machine had then.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.results import DirectoryView
from panther_core.statistics import median

ROOT = Path(__file__).resolve().parents[1]
SERVERS = ROOT / "tests" / "e2e" / "servers"
NATIVE = (
    *("strace", "gperf_cpu", "gperf_heap", "perf_stat", "perf_record"),
    *("memcheck", "helgrind", "drd", "callgrind", "massif", "dhat"),
)
PYTHON = ("strace", "gperf_cpu", "gperf_heap", "perf_stat", "perf_record", "pyspy")
MEGABYTE = 1 << 20


def nginx(work: int) -> dict[str, Any]:
    """Return the services for so many requests."""
    settings = ("-e", "s/PROCESSES/master_process off;/", "-e", "s/ADDRESS/{self.ip}/", "-e", "s#HERE#{here}#")
    server = {
        "argv": ["nginx", "-e", "stderr", "-p", "{dir}", "-c", "nginx.conf"],
        "files": {"nginx.conf": (SERVERS / "nginx.conf").read_text()},
        "pre_run": [["sed", "-i", *settings, "nginx.conf"]],
        "ready": {"kind": "tcp", "port": 8080},
        "stop_signal": "SIGQUIT",
    }
    return {"server": server, "client": {"argv": script("fetch.py", "{server.ip}", "8080", work)}}


def ngtcp2(work: int) -> dict[str, Any]:
    """Return the services for so many megabytes."""
    url = ["https://localhost:4433/file.bin"]
    server = {
        "argv": ["gtlsserver", "-q", "-d", "{here}", "{self.ip}", "4433", "{here}/key.pem", "{here}/certificate.pem"],
        "ready": {"kind": "udp", "port": 4433},
        "stop_signal": "SIGINT",
    }
    client = ["gtlsclient", "-q", "--exit-on-all-streams-close", "{server.ip}", "4433", *url * work]
    return {"server": server, "client": {"argv": client}}


def aioquic(work: int) -> dict[str, Any]:
    """Return the services for so many eighths of a megabyte, there and back."""
    server = {
        "argv": script("quic_echo.py", "server", "{self.ip}", "4433", "{here}/certificate.pem", "{here}/key.pem"),
        "ready": {"kind": "udp", "port": 4433},
        "runtime": "python",
    }
    size = work * MEGABYTE // 8
    return {"server": server, "client": {"argv": script("quic_echo.py", "client", "{server.ip}", "4433", size)}}


def script(name: str, *args: object) -> list[str]:
    """Return how to call one of our scripts."""
    return [sys.executable, str(SERVERS / name), *map(str, args)]


@attrs.frozen
class Server:
    """A server, and how much it is given to do."""

    services: Callable[[int], dict[str, Any]]
    little: int
    much: int
    tools: tuple[str, ...] = NATIVE


MEASURED: Mapping[str, Server] = {
    "nginx": Server(nginx, 10, 210),
    "ngtcp2": Server(ngtcp2, 2, 22),
    "aioquic": Server(aioquic, 1, 9, PYTHON),
}


def experiment(server: Server, tools: Sequence[str], repeat: int) -> dict[str, Any]:
    """Return an experiment with little and much work, without and under each tool."""
    common = {"implementation": "command"}
    cases = []
    for work in (server.little, server.much):
        services = server.services(work)
        services["server"] = {**common, "ends_by_itself": False, **services["server"]}
        services["client"] = {**common, "target": "server", **services["client"]}
        check = {"exit_code": {"service": "client", "equals": 0}}
        cases.append({"name": str(work), "services": services, "timeout": "300s", "checks": [check]})
    watched = [[{"type": tool, "services": ["server"]}] for tool in tools]
    return {
        "name": "instruments",
        "network_environment": "localhost",
        "repeat": repeat,
        "matrix": {"execution_environments": [[], *watched]},
        "test_cases": cases,
    }


def prepare(folder: Path) -> None:
    """Write what the servers serve, and who they are."""
    (folder / "page.txt").write_text(" ".join(f"word{number * 7919 % 1000}" for number in range(2500)))
    (folder / "file.bin").write_bytes(bytes(MEGABYTE))
    names = ("-subj", "/CN=localhost", "-days", "1", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem")
    make = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *names)
    subprocess.run(make, cwd=folder, check=True, capture_output=True)


@attrs.frozen
class Cell:
    """The repetitions with one amount of work under one tool."""

    records: Sequence[Mapping[str, Any]]

    def cpu(self) -> float:
        """Return the processor time of the server at equal speed, the median."""
        return median([_number(each, "cpu_seconds") / each["machine"]["yardstick_ms"] for each in self.records])

    def ready(self) -> float:
        """Return the seconds until it was ready."""
        return median([float(each["timings"]["start"]) for each in self.records])

    def memory(self) -> float:
        """Return the largest memory in megabytes."""
        return max(_number(each, "max_rss_bytes") for each in self.records) / MEGABYTE

    def written(self, run: Path) -> int:
        """Return the bytes that instrument and PANTHER have written."""
        folders = (run / each["folder"] / "profiles" for each in self.records)
        return int(median([sum(file.stat().st_size for file in folder.rglob("*")) for folder in folders]))


def _number(record: Mapping[str, Any], name: str) -> float:
    return next(
        float(each["value"]) for each in record["measurements"] if each["service"] == "server" and each["name"] == name
    )


def rows(run: DirectoryView, server: Server, tools: Sequence[str]) -> list[tuple[str, ...]]:
    """Return one row for each tool; a case that did not pass ends it all."""
    cells: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in run.cases():
        if each["verdict"] != "pass":
            sys.exit(f"{each['name']} under {each['instruments']}: {each['why']}")
        cells.setdefault((each["name"], "".join(each["instruments"])), []).append(each)
    little, much = (
        {tool: Cell(cells[str(work), tool]) for tool in ("", *tools)} for work in (server.little, server.much)
    )
    plain = much[""].cpu() - little[""].cpu()
    return [
        (
            tool or "without",
            f"{(much[tool].cpu() - little[tool].cpu()) / plain:.1f}",
            f"{little[tool].ready():.2f} s",
            f"{much[tool].memory():.0f} MB",
            f"{little[tool].written(run.folder) / 1024:.0f} kB" if tool else "",
            f"{much[tool].written(run.folder) / 1024:.0f} kB" if tool else "",
        )
        for tool in ("", *tools)
    ]


def main() -> None:
    """Print a table for each server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="the instruments to measure; all that fit if left out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--servers", default=",".join(MEASURED))
    options = parser.parse_args()
    for name in options.servers.split(","):
        server = MEASURED[name]
        tools = options.tools or server.tools
        with tempfile.TemporaryDirectory(prefix="panther-instruments-") as temporary:
            folder = Path(temporary)
            prepare(folder)
            (folder / "exp.yaml").write_text(json.dumps(experiment(server, tools, options.repeat)))
            command = [sys.executable, "-m", "panther_core", "run", "exp.yaml", "--jobs", "1", "--ui", "quiet"]
            subprocess.run([*command, "--output", "run"], cwd=folder, check=False)
            print(f"\n{name}: {server.little} and {server.much}, medians of {options.repeat}")
            heads = ("instrument", "slower", "ready", "memory", "little", "much")
            for row in (heads, *rows(DirectoryView(folder / "run"), server, tools)):
                print(f"{row[0]:<12} {row[1]:>7} {row[2]:>8} {row[3]:>8} {row[4]:>9} {row[5]:>9}", flush=True)


if __name__ == "__main__":
    main()
