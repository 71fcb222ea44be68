"""Servers that others wrote, watched by every instrument that can: nginx and ngtcp2 of Debian, aioquic in Python."""

from __future__ import annotations

import datetime as dt
import json
import random
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.testing import MakeProject, Outcome, PantherProject

SERVERS = Path(__file__).with_name("servers")
PAGE = 400_000
FILE = 1 << 20
Files = dict[str, str | bytes]


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def page() -> str:
    """Return a text that takes some work to compress."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(3000)]
    return " ".join(chance.choices(words, k=PAGE // 4))[:PAGE]


def identity() -> dict[str, bytes]:
    """Return a certificate and its key."""
    pytest.importorskip("cryptography", reason="needs cryptography, which aioquic brings")
    from cryptography import x509  # noqa: PLC0415 - for one of the tests
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"key.pem": private, "certificate.pem": certificate.public_bytes(serialization.Encoding.PEM)}


def nginx(requests: int, processes: str = "master_process off;") -> dict[str, Any]:
    settings = ("-e", f"s/PROCESSES/{processes}/", "-e", "s/ADDRESS/{self.ip}/", "-e", "s#HERE#{here}#")
    return {
        "server": {
            "implementation": "command",
            "argv": ["nginx", "-e", "stderr", "-p", "{dir}", "-c", "nginx.conf"],
            "files": {"nginx.conf": (SERVERS / "nginx.conf").read_text()},
            "pre_run": [["sed", "-i", *settings, "nginx.conf"]],
            "ready": {"kind": "tcp", "port": 8080},
            "ends_by_itself": False,
            "stop_signal": "SIGQUIT",
        },
        "client": {
            "implementation": "command",
            "argv": [sys.executable, str(SERVERS / "fetch.py"), "{server.ip}", "8080", str(requests)],
            "target": "server",
        },
    }


def ngtcp2(downloads: int) -> dict[str, Any]:
    url = "https://localhost:4433/file.bin"
    return {
        "server": {
            "implementation": "command",
            "argv": [
                "gtlsserver",
                "-q",
                "-d",
                "{here}",
                "{self.ip}",
                "4433",
                "{here}/key.pem",
                "{here}/certificate.pem",
            ],
            "ready": {"kind": "udp", "port": 4433},
            "ends_by_itself": False,
            "stop_signal": "SIGINT",
        },
        "client": {
            "implementation": "command",
            "argv": [
                *("gtlsclient", "-q", "--exit-on-all-streams-close", "--download", "{dir}"),
                *("{server.ip}", "4433", *[url] * downloads),
            ],
            "outputs": {"file.bin": "download"},
            "target": "server",
        },
    }


def aioquic(size: int) -> dict[str, Any]:
    script = str(SERVERS / "quic_echo.py")
    return {
        "server": {
            "implementation": "command",
            "argv": [sys.executable, script, "server", "{self.ip}", "4433", "{here}/certificate.pem", "{here}/key.pem"],
            "ready": {"kind": "udp", "port": 4433},
            "ends_by_itself": False,
            "runtime": "python",
        },
        "client": {
            "implementation": "command",
            "argv": [sys.executable, script, "client", "{server.ip}", "4433", str(size)],
            "target": "server",
        },
    }


@attrs.frozen
class Watched:
    """How one instrument watches a server, and what must come of it."""

    work: int
    """Requests, or bytes to be echoed: instruments that sample need more than those that slow down."""
    checks: Sequence[str]
    """Expressions over the measurements, checked by PANTHER itself."""
    functions: Sequence[str] = ()
    """Patterns of names that must be in the profile: functions, or system calls."""
    options: Mapping[str, Any] = attrs.field(factory=dict)


def experiment(watched: Mapping[str, Watched], services: Callable[[int], dict[str, Any]], log: str) -> str:
    """Return an experiment with one case for each instrument; JSON is YAML."""
    cases = [
        {
            "name": name,
            "execution_environments": [{"type": name, "services": ["server"], **each.options}],
            "services": services(each.work),
            "timeout": "120s",
            "checks": [
                {"log": {"service": "client", "matches": log}},
                *({"that": f"server.{name}.{text}"} for text in each.checks),
            ],
        }
        for name, each in watched.items()
    ]
    return json.dumps({"name": "real", "network_environment": "localhost", "test_cases": cases})


def assert_watched(outcome: Outcome, watched: Mapping[str, Watched]) -> None:
    """Assert that all cases passed, and that every instrument left files, none of them empty, with those names."""
    outcome.assert_verdicts(dict.fromkeys(watched, "pass"))
    for name, each in watched.items():
        place = outcome.folder(name)
        record = next(case for case in outcome.cases() if case["name"] == name)
        files = [place / each["path"] for each in record["artifacts"] if each["path"].startswith("profiles/server/")]
        assert [path for path in files if not path.stat().st_size] == []
        stacks = "".join(path.read_text() for path in files if path.suffix == ".folded")
        missing = [text for text in each.functions if not re.search(rf"(?m)(?:^|;){text}(?:;| \d+$)", stacks)]
        assert not missing, f"{name} does not name {missing}, but\n{stacks[:4000]}"


def assert_shown(project: PantherProject, watched: Mapping[str, Watched]) -> None:
    """Assert that ``panther show`` has a line about every instrument."""
    shown = project.run("show last").stdout
    missing = [name for name in watched if not re.search(rf"server +{name} +\S", shown)]
    assert not missing, shown


LIBZ = r"\[libz\.so[\w.]*\]"
FEW, MANY = 4, 24
NGINX = {
    "strace": Watched(
        FEW,
        [f"accept4.count == {FEW}", f"net.peers == {FEW}", f"files.bytes_read > {FEW * PAGE}", "errors < 100"],
        ["accept4", "writev", "pread64"],
    ),
    "gperf_cpu": Watched(MANY, ["samples > 20", "top1.share > 50%"], [LIBZ, r"ngx_\w+"], {"frequency": 250}),
    "gperf_heap": Watched(FEW, ["allocated_bytes > 100KiB"], ["ngx_alloc", "ngx_init_cycle"]),
    "perf_stat": Watched(FEW, ["task_clock > 10ms", "page_faults > 10"]),
    "perf_record": Watched(MANY, ["samples > 50", "kernel.share > 0", "top1.share > 50%"], [LIBZ]),
    "memcheck": Watched(FEW, ["processes == 1", "invalid_accesses == 0", "uninitialised == 0"]),
    "helgrind": Watched(FEW, ["processes == 1", "races == 0"]),
    "drd": Watched(FEW, ["processes == 1", "races == 0"]),
    "callgrind": Watched(FEW, ["instructions > 10000000"], [LIBZ, "ngx_http_process_request", "ngx_hash_init"]),
    "massif": Watched(FEW, ["peak_bytes > 100KiB"], ["ngx_alloc", "ngx_init_cycle"]),
    "dhat": Watched(FEW, ["total_blocks > 100", f"read_bytes > {FEW * PAGE}"], ["ngx_alloc", "ngx_create_pool"]),
}


def test_nginx_is_profiled_by_every_instrument(panther_project: MakeProject) -> None:
    needs("nginx", "strace", "valgrind", "perf")
    project = panther_project({"real.yaml": experiment(NGINX, nginx, f"x {PAGE}$"), "page.txt": page()})
    assert_watched(project.run("run real.yaml"), NGINX)
    assert_shown(project, NGINX)


WORKERS = {
    "strace": Watched(FEW, ["tasks == 3", f"accept4.count >= {FEW}"], ["accept4"]),
    "gperf_cpu": Watched(MANY, ["samples > 20"], [LIBZ], {"frequency": 250, "forks": True}),
    "perf_record": Watched(MANY, ["samples > 50"], [LIBZ]),
    "memcheck": Watched(FEW, ["processes == 3", "invalid_accesses == 0"]),
    "callgrind": Watched(FEW, ["processes == 3"], [LIBZ, "ngx_http_process_request"]),
}


def test_the_workers_of_nginx_are_profiled_like_their_master(panther_project: MakeProject) -> None:
    needs("nginx", "strace", "valgrind", "perf")

    def services(requests: int) -> dict[str, Any]:
        return nginx(requests, "worker_processes 2;")

    project = panther_project({"real.yaml": experiment(WORKERS, services, f"x {PAGE}$"), "page.txt": page()})
    assert_watched(project.run("run real.yaml"), WORKERS)


NGTCP2 = {
    "strace": Watched(2, [f"net.bytes_sent > {2 * FILE}", "net.datagrams_received > 100"], ["recvmsg", "sendmsg"]),
    "gperf_cpu": Watched(
        30, ["samples > 5"], [r"\[lib(gnutls|nettle|ngtcp2)[\w.-]*\]|_?nettle_\w+"], {"frequency": 250}
    ),
    "gperf_heap": Watched(2, ["allocated_objects > 10000"]),
    "perf_stat": Watched(2, ["task_clock > 5ms"]),
    "perf_record": Watched(30, ["samples > 20", "kernel.share > 10%"]),
    "memcheck": Watched(2, ["processes == 1", "invalid_accesses == 0"]),
    "helgrind": Watched(2, ["processes == 1"]),
    "callgrind": Watched(2, ["instructions > 10000000"], [r"ngtcp2_conn_\w+", r"gnutls_\w+"]),
}


def test_a_quic_server_in_cpp_is_profiled(panther_project: MakeProject) -> None:
    needs("gtlsserver", "gtlsclient", "strace", "valgrind", "perf")
    files: Files = {
        "real.yaml": experiment(NGTCP2, ngtcp2, ""),
        "file.bin": random.Random(1).randbytes(FILE),
        **identity(),
    }
    outcome = panther_project(files).run("run real.yaml")
    assert_watched(outcome, NGTCP2)


AIOQUIC = {
    "pyspy": Watched(
        3 << 20, ["samples > 20"], [r"QuicConnection\.receive_datagram[^;]*", r"Echo\.quic_event_received[^;]*"]
    ),
    "strace": Watched(1 << 18, [f"net.bytes_received > {1 << 18}", "net.datagrams_sent > 100"], ["sendto", "recvfrom"]),
    "gperf_cpu": Watched(1 << 20, ["samples > 10"], [r"_PyEval_EvalFrame\w+"]),
    "gperf_heap": Watched(1 << 18, ["allocated_objects > 10000"], [r"\w*PyObject_\w+"]),
    "perf_stat": Watched(1 << 18, ["task_clock > 10ms"]),
    "perf_record": Watched(1 << 20, ["samples > 50"], [r"_PyEval_EvalFrame\w+"]),
}


def test_a_quic_server_in_python_is_profiled(panther_project: MakeProject) -> None:
    needs("strace", "perf")
    files: Files = {"real.yaml": experiment(AIOQUIC, aioquic, "^echoed"), **identity()}
    outcome = panther_project(files).run("run real.yaml")
    assert_watched(outcome, AIOQUIC)
