"""The programs themselves: real processes that talk over loopback, judged by the protocol's own checks."""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_protocol_minip.scenarios import SCENARIOS
from panther_service_ping_pong.manager import CManager, COptions, PingPongOptions, PythonManager

from panther_hookspecs import CheckResult, Evidence, ExitStatus, ScenarioEvidence, ServiceContext, ServicePlan, Verdict

C, PY = "ping-pong-c", "ping-pong-py"
PAIRS = [(C, C), (C, PY), (PY, C), (PY, PY)]
pairs = pytest.mark.parametrize(("server", "client"), PAIRS)
programs = pytest.mark.parametrize("program", [C, PY])
DEADLINE = 20.0
SEED = 7
REFUSED = 4


@attrs.define
class Side:
    """One program in one role, started as its plan says, with placeholders filled in by hand."""

    implementation: str
    role: str
    folder: Path
    known: Mapping[str, str]
    options: Mapping[str, Any] = attrs.field(factory=dict)
    version: str = ""
    scenario: str = "ping"
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    attempt: int = 1
    process: subprocess.Popen[bytes] | None = None

    def plan(self) -> ServicePlan:
        made = (COptions if self.implementation == C else PingPongOptions)(**self.options)
        manager = (CManager if self.implementation == C else PythonManager)(made)
        return manager.plan(
            ServiceContext(
                name=self.role,
                role=self.role,
                options=made,
                version=self.version,
                scenario=self.scenario,
                parameters=self.parameters,
                target="server" if self.role == "client" else "",
                seed=SEED,
                attempt=self.attempt,
            )
        )

    def start(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        known = {"dir": str(self.folder), **self.known}
        argv = [re.sub(r"\{([^}]+)\}", lambda match: known[match[1]], each) for each in self.plan().run.argv]
        with (self.folder / "stdout").open("ab") as out, (self.folder / "stderr").open("ab") as err:
            self.process = subprocess.Popen(argv, stdout=out, stderr=err, cwd=self.folder)
        return self.process

    def listening(self) -> int:
        """Wait until the server says where it listens; return its port."""
        assert self.process is not None
        give_up = time.monotonic() + DEADLINE
        while time.monotonic() < give_up and self.process.poll() is None:
            found = re.findall(r"^listening on \S+:(\d+),", (self.folder / "stdout").read_text(), re.MULTILINE)
            if found:
                return int(found[-1])
            select.select([], [], [], 0.005)
        raise AssertionError((self.folder / "stderr").read_text() or "the server says nothing")

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


def _transcript(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]


def _wait_for(text: str, path: Path) -> None:
    give_up = time.monotonic() + DEADLINE
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < give_up, f"{text!r} never appeared in {path.name}"
        select.select([], [], [], 0.005)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Compile the program in C as its plan says; return the folder."""
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    folder = str(tmp_path_factory.mktemp("build"))
    for command in CManager(COptions()).plan(ServiceContext(name="s", role="server", options=COptions())).compile:
        argv = [each.replace("{build}", folder) for each in command.argv]
        done = subprocess.run([*argv, "-Wextra", "-Werror"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@attrs.define
class Play:
    """A server and a client that talk to each other, and what the protocol's check says about it."""

    folder: Path
    build: str
    ip: str = "127.0.0.1"
    started: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    def side(self, implementation: str, role: str, port: int = 0, **more: Any) -> Side:
        known = {
            "build": self.build,
            "self.ip": self.ip,
            "self.ip6": "::1",
            "server.ip": self.ip,
            "server.ip6": "::1",
            "self.port": str(port),
            "server.port": str(port),
        }
        side = Side(implementation, role, self.folder / role, known, **more)
        self.started.append(side.start())
        return side

    def __call__(
        self,
        server: str,
        client: str,
        scenario: str = "ping",
        *,
        parameters: Mapping[str, Any] | None = None,
        of_server: Mapping[str, Any] | None = None,
        of_client: Mapping[str, Any] | None = None,
        versions: tuple[str, str] = ("1", "1"),
        attempt: int = 1,
        between: Callable[[int], int] = lambda port: port,
    ) -> dict[str, CheckResult]:
        chosen = next(each for each in SCENARIOS if each.name == scenario)
        made = chosen.parameters(**(parameters or {}))
        far = self.side(server, "server", options=of_server or {}, version=versions[0], attempt=attempt)
        near = self.side(
            client,
            "client",
            between(far.listening()),
            options=of_client or {},
            version=versions[1],
            attempt=attempt,
            scenario=scenario,
            parameters=attrs.asdict(made, recurse=False),
        )
        assert near.process is not None
        exits = {"client": _status(near.process.wait(DEADLINE))}
        early = far.process.poll() if far.process else None
        exits["server"] = _status(far.stop()) if early is None else _status(early)
        folders = {"server": far.folder, "client": near.folder}
        evidence = Evidence(folder=self.folder, exits=exits, folders=folders)
        seen = ScenarioEvidence(evidence=evidence, roles={name: name for name in folders}, parameters=made, seed=SEED)
        return {result.name: result for result in chosen.check(seen)}


def _status(code: int) -> ExitStatus:
    return ExitStatus(code=code) if code >= 0 else ExitStatus(signal=-code, reason="signal")


@pytest.fixture
def play(tmp_path: Path, build: str) -> Iterator[Play]:
    """Play in a folder of its own; end whatever is left."""
    player = Play(tmp_path, build)
    yield player
    for process in player.started:
        if process.poll() is None:
            process.kill()
            process.wait()


def _bad(results: Mapping[str, CheckResult]) -> dict[str, str]:
    return {name: each.evidence for name, each in results.items() if each.verdict is not Verdict.PASS}


def _good(results: Mapping[str, CheckResult]) -> bool:
    return not _bad(results) and any(each.proves_exchange for each in results.values())


@pairs
@pytest.mark.parametrize(
    ("scenario", "parameters"),
    [
        ("ping", {"count": 20, "size": 1200, "interval": 0.001}),
        ("transfer", {"size": 300_001}),
        ("transfer", {"size": 1024}),
        ("greet", {}),
        ("refuse", {}),
        ("idle", {"duration": 0.2}),
        ("probe", {"length": 60000}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_every_scenario_passes_between_every_pair(
    play: Play, server: str, client: str, scenario: str, parameters: Mapping[str, Any]
) -> None:
    results = play(server, client, scenario, parameters=parameters)
    assert _bad(results) == {}
    assert _good(results)


@pairs
def test_version_2_returns_the_time(play: Play, server: str, client: str) -> None:
    assert _good(play(server, client, versions=("2", "2")))
    pong = next(each for each in _transcript(play.folder / "client") if each.get("type") == "PONG")
    assert pong["version"] == "2"
    assert pong["fields"]["time"].isdigit()


@pairs
def test_a_server_of_version_2_still_speaks_version_1(play: Play, server: str, client: str) -> None:
    assert _good(play(server, client, versions=("2", "1")))


@pairs
def test_a_version_that_the_server_does_not_speak_is_refused_and_nobody_falls_back(
    play: Play, server: str, client: str
) -> None:
    bad = _bad(play(server, client, versions=("1", "2")))
    assert bad["greeting"] == "server refused the HELLO: version"
    assert bad["ends"] == "client ended with exit code 4"


@pairs
def test_it_works_over_ipv6(play: Play, server: str, client: str) -> None:
    assert _good(play(server, client, of_server={"ipv6": True}, of_client={"ipv6": True}))
    assert (play.folder / "server" / "stdout").read_text().startswith("listening on [::1]:")


@pairs
@pytest.mark.parametrize("scenario", ["ping", "transfer", "greet", "refuse", "idle"])
def test_a_failing_server_is_found_in_every_scenario(play: Play, server: str, client: str, scenario: str) -> None:
    parameters = {"duration": 0.01} if scenario == "idle" else {}
    bad = _bad(play(server, client, scenario, parameters=parameters, of_server={"variant": "fail"}))
    assert bad["ends"] == "client ended with exit code 6"
    assert len(bad) > 1


@pairs
@pytest.mark.parametrize("scenario", ["ping", "transfer", "greet", "refuse", "idle"])
def test_a_client_that_lies_about_its_success_is_found(play: Play, server: str, client: str, scenario: str) -> None:
    parameters = {"duration": 0.01} if scenario == "idle" else {}
    bad = _bad(play(server, client, scenario, parameters=parameters, of_client={"variant": "fail"}))
    assert "ends" not in bad
    assert "server never received the HELLO that client says it sent" in bad.values()


@pytest.mark.parametrize("role", ["of_server", "of_client"])
@pairs
def test_flaky_fails_in_the_first_attempt_only(play: Play, server: str, client: str, role: str) -> None:
    variants: dict[str, Any] = {role: {"variant": "flaky"}}
    assert _bad(play(server, client, attempt=1, **variants))
    play.folder /= "again"
    assert _good(play(server, client, attempt=2, **variants))


@programs
def test_random_is_decided_by_seed_and_attempt_alone(play: Play, program: str) -> None:
    root, outcomes = play.folder, []
    for number in range(12):
        play.folder = root / f"{number}"
        options = {"variant": "random", "seed": number % 6, "chance": 0.5}
        outcomes.append(_good(play(program, program, "greet", of_server=options)))
    assert outcomes[:6] == outcomes[6:]
    assert set(outcomes) == {True, False}


@pytest.mark.parametrize(("chance", "good"), [(0.0, False), (1.0, True)])
@programs
def test_the_chance_of_random_is_kept(play: Play, program: str, chance: float, good: bool) -> None:
    options = {"variant": "random", "chance": chance}
    assert _good(play(program, program, parameters={"count": 1}, of_server=options)) is good


def test_both_implementations_draw_the_same_dice(play: Play) -> None:
    root, drawn = play.folder, {C: [False], PY: [False]}
    for program, found in drawn.items():
        for number in range(6):
            play.folder = root / f"{program}-{number}"
            found.append(_good(play(program, PY, "greet", of_server={"variant": "random", "seed": number})))
    assert drawn[C] == drawn[PY]


@pytest.mark.parametrize("client", [C, PY])
@pytest.mark.parametrize(("server", "end"), [(C, "signal 11"), (PY, "exit code 1")])
def test_a_vulnerable_server_dies_of_the_probe(play: Play, server: str, client: str, end: str) -> None:
    bad = _bad(play(server, client, "probe", of_server={"variant": "vulnerable"}))
    first = next(iter(bad.items()))
    assert first == ("survival", f"server ended with {end} after a message of 2059 bytes")


@pairs
def test_a_vulnerable_program_works_as_long_as_nobody_attacks_it(play: Play, server: str, client: str) -> None:
    options = {"variant": "vulnerable"}
    assert _good(play(server, client, of_server=options, of_client=options))


@programs
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_server_well_and_its_transcript_is_complete(play: Play, program: str, number: int) -> None:
    server = play.side(program, "server")
    server.listening()
    assert server.stop(number) == 0
    assert [each["event"] for each in _transcript(server.folder)] == ["start", "end"]
    assert _transcript(server.folder)[-1]["result"] == "stopped"
    assert (server.folder / "stdout").read_text().splitlines()[-1] == "stopped, exit code 0"


@programs
def test_a_signal_ends_a_waiting_client_well(play: Play, program: str) -> None:
    client = play.side(program, "client", 9, scenario="greet")
    _wait_for('"sent"', client.folder / "transcript.jsonl")
    assert client.stop() == 0
    assert _transcript(client.folder)[-1]["result"] == "stopped"


@pairs
def test_a_client_that_starts_first_waits_for_its_server(play: Play, server: str, client: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((play.ip, 0))
        port = probe.getsockname()[1]
    near = play.side(client, "client", port, scenario="greet")
    far = play.side(server, "server", port)
    assert near.process is not None
    assert near.process.wait(DEADLINE) == 0
    assert far.stop() == 0


@programs
def test_a_server_that_is_started_again_refuses_old_sessions_and_keeps_its_transcript(play: Play, program: str) -> None:
    server = play.side(program, "server")
    port = server.listening()
    client = play.side(PY, "client", port, scenario="idle", parameters={"duration": 0.5})
    _wait_for("silent for", client.folder / "stdout")
    server.stop(signal.SIGKILL)
    with (server.folder / "transcript.jsonl").open("a") as file:
        file.write('{"t": 1, "half')
    again = play.side(program, "server", port)
    assert client.process is not None
    assert client.process.wait(DEADLINE) == REFUSED
    assert again.stop() == 0
    lines = (server.folder / "transcript.jsonl").read_text().splitlines()
    assert '{"t": 1, "half' in lines
    assert sum('"start"' in line for line in lines) == 2
    assert '"reason": "session"' in lines[-2]


def _checked(line: bytes) -> bytes:
    return line + b" crc=%08x\n" % zlib.crc32(line)


NO_MESSAGES = {
    "text": (b"hello\n", "damaged"),
    "empty": (b"", "damaged"),
    "checksum": (b"MiniP/1 HELLO id=abc crc=00000000\n", "damaged"),
    "long": (b"A" * 1401, "overlong"),
    "long value": (_checked(b"MiniP/1 HELLO id=" + b"a" * 65), "overlong"),
    "other protocol": (_checked(b"FTP/1 HELLO id=abc"), "malformed"),
    "no type": (_checked(b"MiniP/1"), "malformed"),
    "fields": (_checked(b"MiniP/1 HELLO id=abc" + b" a=b" * 12), "malformed"),
}


@programs
@pytest.mark.parametrize(("datagram", "why"), NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_what_is_no_message_is_dropped_and_noted(play: Play, program: str, datagram: bytes, why: str) -> None:
    server = play.side(program, "server")
    port = server.listening()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(datagram, (play.ip, port))
    client = play.side(PY, "client", port, scenario="greet")
    assert client.process is not None
    assert client.process.wait(DEADLINE) == 0
    assert server.stop() == 0
    dropped = [each for each in _transcript(server.folder) if each["event"] == "dropped"]
    assert [(each["why"], each["bytes"]) for each in dropped] == [(why, len(datagram))]


@programs
@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"MiniP/1 PING id=abc seq=1 nonce=1", b"MiniP/1 REFUSE id=abc reason=session crc="),
        (b"MiniP/7 HELLO id=abc", b"MiniP/7 REFUSE id=abc reason=version supported=1 crc="),
        (b"MiniP/1 BYE id=abc", b"MiniP/1 BYE id=abc crc="),
    ],
)
def test_a_stranger_gets_the_answer_of_the_specification(play: Play, program: str, line: bytes, answer: bytes) -> None:
    port = play.side(program, "server").listening()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(DEADLINE)
        stranger.sendto(_checked(line), (play.ip, port))
        assert stranger.recv(2000).startswith(answer)


def _spoiled(datagram: bytes, dice: random.Random, held: list[bytes]) -> list[bytes]:
    """Return what arrives: sometimes nothing, the same twice, something damaged, or one that was overtaken."""
    chance = dice.random()
    if chance < 0.12:
        return []
    if chance < 0.17:
        return [datagram, datagram]
    if chance < 0.22:
        place = dice.randrange(len(datagram))
        return [datagram[:place] + bytes([datagram[place] ^ 4]) + datagram[place + 1 :]]
    if chance < 0.27:
        held.append(datagram)
        return []
    late, held[:] = list(held), []
    return [datagram, *late]


@contextlib.contextmanager
def _bad_network(server: tuple[str, int]) -> Iterator[int]:
    """Stand between one client and a server; yield the port at which the server seems to be."""
    dice, over = random.Random(1), threading.Event()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        near.bind(("127.0.0.1", 0))
        far.connect(server)

        def carry() -> None:
            client: Any = None
            held: dict[socket.socket, list[bytes]] = {near: [], far: []}
            while not over.is_set():
                for ready in select.select([near, far], [], [], 0.02)[0]:
                    datagram, peer = ready.recvfrom(65535)
                    client = peer if ready is near else client
                    for each in _spoiled(datagram, dice, held[ready]):
                        far.send(each) if ready is near else near.sendto(each, client)

        carrier = threading.Thread(target=carry)
        carrier.start()
        try:
            yield near.getsockname()[1]
        finally:
            over.set()
            carrier.join()


@pairs
@pytest.mark.parametrize(("scenario", "again"), [("transfer", "file"), ("ping", "pings")])
def test_loss_duplicates_damage_and_reordering_are_survived(
    play: Play, server: str, client: str, scenario: str, again: str
) -> None:
    with contextlib.ExitStack() as stack:
        results = play(
            server,
            client,
            scenario,
            parameters={"size": 50_000} if scenario == "transfer" else {"count": 15},
            between=lambda port: stack.enter_context(_bad_network((play.ip, port))),
        )
    assert _bad(results) == {}
    assert re.search(r" [1-9]\d* sent again", results[again].evidence)


@programs
@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("router",), "router"), (("server", "--colour", "red"), "--colour"), (("client", "--variant", "odd"), "odd")],
)
def test_wrong_usage_is_told_with_exit_code_2(play: Play, program: str, arguments: tuple[str, ...], told: str) -> None:
    argv = [f"{play.build}/ping-pong"] if program == C else Side(PY, "server", play.folder, {}).plan().run.argv[:4]
    done = subprocess.run([*argv, *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 2
    assert told in done.stderr


@programs
def test_an_address_that_is_not_ours_is_told_with_exit_code_3(play: Play, program: str) -> None:
    play.ip = "192.0.2.1"
    server = play.side(program, "server")
    assert server.process is not None
    assert server.process.wait(DEADLINE) == 3
    assert "cannot work at 192.0.2.1" in (server.folder / "stderr").read_text()
    assert _transcript(server.folder)[-1]["result"] == "unusable"
