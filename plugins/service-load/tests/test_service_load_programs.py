"""The load generator against real sockets: it keeps its schedule, counts what it cannot do, and comes back."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from panther_service_load.manager import HERE, LoadManager, LoadOptions

from panther_core.testing import MakeProject
from panther_hookspecs import ConfigurationException, ServiceContext, UnsupportedError, read_load, read_requests

DIALECT = textwrap.dedent(
    """
    class Dialect:
        def __init__(self, *, seed, name, first="hello"):
            self.first = first.encode()
        def opening(self):
            return [self.first + b"\\n"]
        def closing(self):
            return []
        def request(self, number):
            return b"%d\\n" % number
        def number(self, answer):
            return int(answer) if answer.strip().isdigit() else None
        def right(self, number, answer):
            return answer == b"%d\\n" % number
        def reopens(self, answer):
            return answer == b"who?\\n"
        def split(self, buffer):
            whole, _, rest = buffer.rpartition(b"\\n")
            return [each + b"\\n" for each in whole.split(b"\\n") if each], rest
    """
)
SERVER = textwrap.dedent(
    """
    import socket, sys
    kind, behaviour = sys.argv[1:]
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    print(made.getsockname()[1], flush=True)
    known, count = set(), 0
    def answer(line):
        global count
        count += 1
        if line == b"hello\\n":
            known.add(1)
            return b"welcome\\n"
        if behaviour == "forgets" and count == 20:
            known.clear()
        if not known:
            return b"who?\\n"
        if behaviour == "silent-now-and-then" and count % 4 == 0:
            return b""
        return line.strip() + b" \\n" if behaviour == "wrong" else line
    if kind == "tcp":
        made.listen()
        while True:
            connection, _ = made.accept()
            stream = connection.makefile("rwb", buffering=0)
            for line in stream:
                stream.write(answer(line))
                if behaviour == "breaks" and count == 20:
                    break
            stream.close(); connection.close()
    else:
        while True:
            data, peer = made.recvfrom(2000)
            told = answer(data)
            if told:
                made.sendto(told, peer)
    """
)


@pytest.fixture
def dialect(tmp_path: Path) -> Path:
    path = tmp_path / "dialect.py"
    path.write_text(DIALECT)
    return path


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    kind, behaviour = request.param
    command = [sys.executable, "-I", "-c", SERVER, kind, behaviour]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield kind, running.stdout.readline().strip()
        running.kill()


def load(folder: Path, dialect: Path, server: tuple[str, str], *more: str) -> int:
    kind, port = server
    fixed = ("--dialect", str(dialect), "--transport", kind, "--port", port, "--dir", str(folder))
    command = [sys.executable, "-I", "-S", str(HERE / "load"), *fixed, *more]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


KINDS = pytest.mark.parametrize("server", [("udp", "right"), ("tcp", "right")], indirect=True)


@KINDS
@pytest.mark.parametrize("mode", ["open", "closed"])
def test_every_request_is_accounted_for(tmp_path: Path, dialect: Path, server: tuple[str, str], mode: str) -> None:
    code = load(tmp_path, dialect, server, "--mode", mode, "--rate", "200", "--duration", "0.5", "--warmup", "0.2")
    report, requests = read_load(tmp_path), list(read_requests(tmp_path))
    assert code == 0
    assert report is not None
    assert report.planned == len(requests) == report.sent + report.unsent
    assert report.answered == sum(each.answered is not None for each in requests) == report.sent - report.lost
    assert all(each.due <= (each.sent or each.due) <= (each.answered or each.due + 9) for each in requests)
    if mode == "open":
        assert report.planned == 100
        gaps = {round(b.due - a.due, 4) for a, b in itertools.pairwise(requests)}
        assert gaps == {0.005}


@KINDS
def test_a_closed_loop_asks_again_as_soon_as_it_was_answered(
    tmp_path: Path, dialect: Path, server: tuple[str, str]
) -> None:
    assert load(tmp_path, dialect, server, "--mode", "closed", "--rate", "0", "--duration", "0.5") == 0
    gaps = [b.sent - a.answered for a, b in itertools.pairwise(read_requests(tmp_path)) if a.answered and b.sent]
    assert 0 <= min(gaps) < 0.002


@pytest.mark.parametrize("server", [("udp", "right")], indirect=True)
def test_an_open_loop_says_whether_it_ran_before_others(tmp_path: Path, dialect: Path, server: tuple[str, str]) -> None:
    told = {}
    for more in ((), ("--precedence",), ("--precedence", "--mode", "closed")):
        assert load(tmp_path, dialect, server, "--rate", "100", "--duration", "0.1", *more) == 0
        told[more] = json.loads((tmp_path / "load.json").read_text())["precedence"]
    assert list(told.values()) == [False, may_run_before_others(), False]


def may_run_before_others() -> bool:
    code = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("server", [("udp", "silent-now-and-then")], indirect=True)
@pytest.mark.parametrize("retry", ["0", "0.05"])
def test_what_is_not_answered_is_lost_unless_it_is_sent_again(
    tmp_path: Path, dialect: Path, server: tuple[str, str], retry: str
) -> None:
    more = ("--rate", "100", "--duration", "0.4", "--retry", retry, "--timeout", "2")
    assert load(tmp_path, dialect, server, *more) == 0
    report = read_load(tmp_path)
    assert report is not None
    if retry == "0":
        assert report.lost > 0
        assert report.latency["max"] is None
    else:
        assert (report.lost, report.answered) == (0, 40)
        assert report.again > 0


@pytest.mark.parametrize("server", [("udp", "forgets"), ("tcp", "breaks")], indirect=True)
def test_a_server_that_has_forgotten_the_session_or_broken_the_connection_is_greeted_again(
    tmp_path: Path, dialect: Path, server: tuple[str, str]
) -> None:
    assert load(tmp_path, dialect, server, "--rate", "100", "--duration", "0.8") == 0
    requests = list(read_requests(tmp_path))
    assert requests[-1].answered is not None
    assert server[0] == "tcp" or any(each.answered is None for each in requests)


@pytest.mark.parametrize("server", [("udp", "wrong")], indirect=True)
def test_wrong_answers_are_told(tmp_path: Path, dialect: Path, server: tuple[str, str]) -> None:
    assert load(tmp_path, dialect, server, "--rate", "100", "--duration", "0.2") == 6


def test_a_server_that_is_not_there_is_told(tmp_path: Path, dialect: Path) -> None:
    assert load(tmp_path, dialect, ("tcp", "1")) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rate": 0}, "an open load of rate 0"), ({"rate": 1e6, "duration": 60}, "between 1 and 1000000")],
)
def test_a_load_that_cannot_be_made_is_refused(options: dict[str, float], message: str, tmp_path: Path) -> None:
    made = LoadOptions(**options)  # type: ignore[arg-type]
    context = ServiceContext(name="c", role="client", options=made, target="s", dialect=tmp_path)
    with pytest.raises(ConfigurationException, match=message):
        LoadManager(made).plan(context)
    with pytest.raises(UnsupportedError, match="the protocol has no dialect"):
        LoadManager(made).plan(ServiceContext(name="c", role="client", options=made, protocol="x"))


def test_a_load_on_minip_is_judged_by_what_both_sides_say(panther_project: MakeProject) -> None:
    text = """
name: load
protocol: minip
network_environment: localhost
test_cases:
  - name: load
    scenario: load
    parameters: {size: 100}
    services:
      server: {implementation: ping-pong-py}
      client: {implementation: load, rate: 200, duration: 500ms, warmup: 0s}
"""
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    outcome.assert_verdicts({"load": "pass"})
    assert outcome.measurements()["server.work.done"] == 100
    assert outcome.measurements()["server.work.twice"] == 0
