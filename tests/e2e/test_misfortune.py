"""Whatever goes wrong in one case gets a clear error; the other cases go on, and nothing is left running."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from panther_core.testing import MakeProject, PantherProject
from panther_hookspecs import (
    BaseEvent,
    CaseInfo,
    Need,
    Observer,
    ObserverContext,
    ObserverDescriptor,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    hookimpl,
)

PATIENCE = 60.0


def experiment(*cases: str, **top: str) -> str:
    lines = [
        "name: misfortune",
        "network_environment: localhost",
        *(f"{key}: {value}" for key, value in top.items()),
        "test_cases:",
    ]
    return "\n".join([*lines, *cases]) + "\n"


def alone(name: str, argv: str, more: str = "") -> str:
    return f"  - {{name: {name}, services: {{one: {{implementation: command, argv: {argv}}}}}{more}}}"


def served(name: str, argv: str, ready: str, more: str = "") -> str:
    return (
        f"  - name: {name}\n{more}    services:\n"
        f"      server: {{implementation: command, argv: {argv}, ends_by_itself: false, ready: {ready}}}\n"
        f"      client: {{implementation: command, argv: ['true'], depends_on: [server]}}"
    )


def left_over(run: Path) -> list[int]:
    """Return the live processes of a run, after giving them time to die."""
    deadline = time.monotonic() + PATIENCE
    while (found := list(_of(run))) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def _of(run: Path) -> Iterator[int]:
    wanted = b"PANTHER_RUN=" + (run / ".panther").read_bytes()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                yield int(place.name)
        except OSError:
            continue


GOOD = alone("good", "['true']")


@pytest.mark.parametrize(
    ("case", "verdict", "why"),
    [
        (alone("x", "[no-such-program]"), "error", "no-such-program: No such file or directory"),
        (alone("x", "[/etc/passwd]"), "error", "Permission denied"),
        (alone("x", "[sh, -c, 'kill -SEGV $$']"), "fail", "signal 11"),
        (alone("x", "[sh, -c, 'exit 7']"), "fail", "exit code 7"),
        (alone("x", "[sleep, '1000']", ", timeout: 300ms"), "fail", "had not ended when the time of the case was over"),
        (served("x", "[sleep, '1000']", "{kind: tcp}"), "error", "there is no port 'port' to be ready on"),
        (served("x", "[sleep, '1000']", "{kind: log, pattern: never, timeout: 300ms}"), "error", "was not ready after"),
        (
            served("x", "[sleep, '1000']", "{kind: log, pattern: never}", "    timeout: 300ms\n"),
            "error",
            "s that were left: nothing printed",
        ),
        (served("x", "[sh, -c, 'echo no config >&2; exit 4']", "{kind: log, pattern: never}"), "error", "no config"),
        (alone("x", "[echo, '{sever.ip}']"), "error", "unknown placeholder {sever.ip}"),
        (alone("x", "['true']", ", checks: [{that: 'one.cpu < 3'}]"), "error", "one.cpu_seconds"),
        (alone("x", "['true']", ", checks: [{log: {service: one, matches: hello}}]"), "fail", "nothing matches"),
        (
            alone("x", "['true']", ", checks: [{log: {service: one, matches: x, absent: true}}]"),
            "inconclusive",
            "none of them shows that anything was exchanged",
        ),
    ],
)
def test_a_case_that_goes_wrong_says_why_and_the_next_one_passes(
    panther_project: MakeProject, case: str, verdict: str, why: str
) -> None:
    outcome = panther_project({"e.yaml": experiment(case, GOOD)}).run("run e.yaml")
    cannot_run_here = why.endswith(("No such file or directory", "Permission denied"))
    outcome.assert_exit(3 if cannot_run_here else 1)
    outcome.assert_verdicts({"x": verdict, "good": "pass"})
    (wrong,) = (each for each in outcome.cases() if each["name"] == "x")
    assert why in wrong["why"]
    assert len(wrong["why"].splitlines()) <= 4
    assert left_over(outcome.run) == []


def test_a_server_that_ignores_sigterm_is_killed_and_named(panther_project: MakeProject) -> None:
    stubborn = served(
        "x", "[sh, -c, \"trap '' TERM; echo up; while :; do sleep 1; done\"]", "{kind: log, pattern: up}"
    ).replace("ends_by_itself: false", "ends_by_itself: false, stop_grace: 200ms")
    outcome = panther_project({"e.yaml": experiment(stubborn)}).run("run e.yaml")
    outcome.assert_exit(1, "was killed: what it wrote may be incomplete")
    assert left_over(outcome.run) == []


def test_a_daemon_that_leaves_its_parent_is_found_and_ended(panther_project: MakeProject) -> None:
    daemon = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1000)\n    os._exit(0)\n"
    )
    outcome = panther_project(
        {
            "daemon.py": daemon,
            "e.yaml": experiment(alone("x", f"[{sys.executable}, '../../../../../../../daemon.py']")),
        }
    ).run("run e.yaml")
    assert outcome.cases()[0]["services"]["one"]["exit"].startswith("exit code")
    assert left_over(outcome.run) == []


def test_a_flaky_case_keeps_every_attempt_and_is_never_a_plain_pass(panther_project: MakeProject) -> None:
    project = panther_project({"e.yaml": ""})
    flag = project.folder / "flag"
    case = alone("x", f"[sh, -c, 'test -e {flag} || {{ touch {flag}; exit 1; }}']", ", retry_count: 2")
    (project.folder / "e.yaml").write_text(experiment(case))
    outcome = project.run("run e.yaml")
    outcome.assert_exit(1)
    outcome.assert_verdicts({"x": "flaky"})
    assert [(each["attempt"], each["verdict"]) for each in outcome.attempts()] == [(1, "fail"), (2, "pass")]
    assert {path.name for path in outcome.folder("x").parent.iterdir()} == {"1", "2"}
    flag.unlink()
    (project.folder / "e.yaml").write_text(
        experiment(case.replace("retry_count", "expect: [pass, flaky], retry_count"))
    )
    project.run("run e.yaml").assert_ok()


def test_a_failure_that_was_expected_is_a_success_and_an_unexpected_pass_is_none(panther_project: MakeProject) -> None:
    files = {
        "fails.yaml": experiment(alone("x", "['false']", ", expect: fail")),
        "passes.yaml": experiment(alone("x", "['true']", ", expect: fail")),
    }
    project = panther_project(files)
    project.run("run fails.yaml").assert_ok()
    project.run("run passes.yaml").assert_exit(1)


def test_output_beyond_the_limit_is_cut_off_and_said_so(panther_project: MakeProject) -> None:
    outcome = panther_project(
        {"e.yaml": experiment(alone("x", "[sh, -c, 'yes | head -c 100000000; echo the end']"))}
    ).run("run e.yaml")
    outcome.assert_ok()
    (case,) = outcome.cases()
    assert any("was cut off" in note for note in case["notes"])
    assert (outcome.folder() / "services/one/stdout").stat().st_size <= 16 << 20
    assert "the end" in outcome.text("services/one/stdout.tail")


class Grumpy:
    """Raises wherever a plugin can."""

    @hookimpl
    def panther_after_test_case(self, case: CaseInfo) -> None:
        raise RuntimeError("after the case")

    @hookimpl
    def panther_register_observers(self) -> Iterator[ObserverDescriptor]:
        yield ObserverDescriptor(name="grumpy", summary="raises", factory=GrumpyObserver, default=True)


class GrumpyObserver(Observer):
    def __init__(self, _context: ObserverContext) -> None: ...

    def handle_event(self, event: BaseEvent) -> None:
        raise RuntimeError("in the observer")


def test_a_plugin_that_raises_after_a_case_and_in_an_observer_is_reported_and_changes_no_verdict(
    panther_project: MakeProject,
) -> None:
    project = panther_project({"e.yaml": experiment(GOOD)}, plugins=[Grumpy()])
    outcome = project.run("run e.yaml")
    outcome.assert_exit(0, "after the case", "in the observer")
    outcome.assert_verdicts({"good": "pass"})
    assert project.run("run e.yaml --strict").exit_code == 1


class Blocks:
    @hookimpl
    def panther_before_test_case(self, case: CaseInfo) -> None:
        if case.name == "x":
            raise RuntimeError("not this one")


def test_a_plugin_that_raises_before_a_case_makes_that_case_an_error_with_its_name(
    panther_project: MakeProject,
) -> None:
    outcome = panther_project({"e.yaml": experiment(alone("x", "['true']"), GOOD)}, plugins=[Blocks()]).run(
        "run e.yaml"
    )
    outcome.assert_verdicts({"x": "error", "good": "pass"})
    assert any(
        "plugin Blocks: panther_before_test_case raised RuntimeError: not this one" in each["why"]
        for each in outcome.cases()
    )


def test_an_existing_output_folder_is_never_written_into(panther_project: MakeProject) -> None:
    project = panther_project({"e.yaml": experiment(GOOD), "out/mine.txt": "precious"})
    project.run("run e.yaml --output out").assert_exit(2, "is not empty")
    assert [path.name for path in (project.folder / "out").iterdir()] == ["mine.txt"]


def test_two_panthers_at_once_do_not_touch_each_other(panther_project: MakeProject) -> None:
    case = alone("x", "[sh, -c, 'sleep 0.2; exit 0']").replace("}}}", "}}, repeat: 5}")
    project = panther_project({"e.yaml": experiment(case)})
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "panther_core", "run", "e.yaml", "--jobs", "2"],
            cwd=project.folder,
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [each.wait(60) for each in both] == [0, 0]
    assert len(list((project.folder / "runs").glob("misfortune-*"))) == 2


def _interrupted(project: PantherProject, number: int) -> int:
    """Start a run in the project, send it a signal when its service runs, and return its exit code."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from panther_core.cli.main import main; sys.exit(main(['run', 'e.yaml', '--output', 'run']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not list(project.folder.glob("run/cases/*/1/services/one/stdout")):
                assert process.poll() is None, "it ended before its service started"
                assert time.monotonic() < deadline, "its service does not start"
                time.sleep(0.01)
            process.send_signal(number)
            return process.wait(PATIENCE)
        finally:
            process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_a_signal_ends_the_run_and_everything_it_started(panther_project: MakeProject, number: int, code: int) -> None:
    project = panther_project({"e.yaml": experiment(alone("x", "[sleep, '1000']"))})
    assert _interrupted(project, number) == code
    assert left_over(project.folder / "run") == []


def test_an_interrupted_run_continues_with_what_is_missing(panther_project: MakeProject) -> None:
    project = panther_project({"e.yaml": ""})
    stop = project.folder / "stop"
    wait = f"[sh, -c, 'test ! -e {stop} || sleep 1000']"
    (project.folder / "e.yaml").write_text(experiment(alone("first", "['true']"), alone("one", wait)))
    stop.touch()
    assert _interrupted(project, signal.SIGINT) == 130
    stop.unlink()
    resumed = project.run("resume run")
    resumed.assert_ok()
    results = (project.folder / "run/results.jsonl").read_text().splitlines()
    finals = [line for line in results if '"final":true' in line]
    assert len(finals) == 2


def test_a_resumed_run_finds_the_files_beside_the_experiment(panther_project: MakeProject) -> None:
    case = alone("x", "[sh, '{here}/../shared/program.sh']")
    project = panther_project({"a/e.yaml": experiment(case), "shared/program.sh": "exit 3\n"})
    project.run("run a/e.yaml --output run").assert_exit(1)
    (project.folder / "shared/program.sh").write_text("exit 0\n")
    project.run("resume run").assert_ok()
    assert "retry_count: 0" in (project.folder / "run/resolved.yaml").read_text()


class NeedsATool:
    @hookimpl
    def panther_register_services(self) -> Iterator[ServiceDescriptor]:
        needs = (Need("tool", "no-such-tool-anywhere", package="nowhere"),)
        yield ServiceDescriptor(name="needy", summary="needs a tool", needs=needs, factory=Needy)


class Needy(ServiceManager):
    def __init__(self, _options: object) -> None: ...

    def plan(self, context: ServiceContext) -> ServicePlan:
        return ServicePlan(run=ShellCommand("true"), ends_by_itself=True)


def test_a_missing_tool_is_named_with_its_package_and_the_other_cases_run(panther_project: MakeProject) -> None:
    case = "  - {name: x, services: {one: {implementation: needy}}}"
    outcome = panther_project({"e.yaml": experiment(case, GOOD)}, plugins=[NeedsATool()]).run("run e.yaml")
    outcome.assert_exit(3, "no-such-tool-anywhere", "apt install nowhere")
    outcome.assert_verdicts({"x": "error", "good": "pass"})
