"""The commands, run as a user runs them, on experiments whose services are real processes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from panther_core.process import Supervisor
from panther_core.testing import MakeProject, PantherProject
from panther_core.testing.dummy import DummyNetwork, DummyPlugin
from panther_hookspecs import (
    Leftover,
    Need,
    NetworkEnvironmentDescriptor,
    ReportDescriptor,
    hookimpl,
)

pytest_plugins = ["panther_core.testing.plugin"]

HEAD = "protocol: dummy\nnetwork_environment: dummy\n"
GOOD = f"name: good\n{HEAD}test_cases:\n  - {{name: talk, implementation: dummy}}\n"
MIXED = f"""\
name: mixed
{HEAD}repeat: 2
test_cases:
  - {{name: talk, implementation: dummy}}
  - name: mute
    services: {{server: dummy, client: {{implementation: dummy, argv: [echo, nothing]}}}}
  - name: known
    expect: fail
    services: {{server: dummy, client: {{implementation: dummy, argv: [echo, nothing]}}}}
"""
SLOW = f"""\
name: slow
{HEAD}test_cases:
  - name: wait
    services: {{server: dummy, client: {{implementation: dummy, argv: [sleep, "600"]}}}}
"""


@pytest.fixture
def project(panther_project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> PantherProject:
    monkeypatch.setenv("PANTHER_PLUGINS", "-")
    files = {
        "good.yaml": GOOD,
        "mixed.yaml": MIXED,
        "slow.yaml": SLOW,
        "bad.yaml": GOOD.replace("talk", "talk, sceanrio: x"),
    }
    return panther_project(files, plugins=[DummyPlugin()])


def test_run_ends_with_zero_and_says_nothing_on_standard_error_if_all_is_as_expected(project: PantherProject) -> None:
    done = project.run("run good.yaml")
    done.assert_ok()
    assert done.stderr == ""
    line, last = done.stdout.splitlines()
    assert line.split()[0::3] == ["pass", "talk"]
    assert last.startswith("1 case in ")
    assert last.endswith(f": 1 pass, all as expected  runs/{done.run.name}")


def test_run_ends_with_one_and_names_the_cause_in_the_last_line(project: PantherProject) -> None:
    done = project.run("run mixed.yaml")
    done.assert_exit(1, "! fail")
    assert (
        done.stderr
        == f"panther: 2 of 6 cases not as expected (2 fail); to see why: panther show runs/{done.run.name}\n"
    )
    assert "\x1b" not in done.stdout


def test_run_ends_with_two_before_anything_starts_if_the_file_is_wrong(project: PantherProject) -> None:
    done = project.run("run bad.yaml")
    done.assert_exit(2, "bad.yaml:5:18: error", "did you mean 'scenario'?")
    assert done.stderr.splitlines()[-1] == "panther: 1 error in bad.yaml"
    assert done.runs == ()


def test_run_ends_with_three_if_the_machine_differs_from_the_lock(project: PantherProject) -> None:
    first = project.run("run good.yaml")
    lock = first.run / "panther.lock.json"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "python": "CPython 2.7.18"}))
    project.run("run good.yaml --locked", first.run.name).assert_exit(3, "2.7.18")


def test_json_ends_with_the_summary(project: PantherProject) -> None:
    done = project.run("run mixed.yaml --ui json")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"verdict": "fail", "counts": {"pass": 2, "fail": 4}, "unexpected": 2, "exit_code": 1}.items() <= objects[
        -1
    ].items()
    assert objects[-1]["event"] == "summary"
    assert objects[-1]["run"] == str(done.run)
    assert [each["verdict"] for each in objects if each["event"] == "attempt"].count("pass") == 2


def test_json_has_a_summary_even_if_nothing_could_run(project: PantherProject) -> None:
    done = project.run("run bad.yaml --ui json")
    (summary,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (summary["verdict"], summary["run"], summary["exit_code"]) == ("error", None, 2)
    assert "sceanrio" in summary["errors"][0]


def test_quiet_prints_nothing_but_the_cause(project: PantherProject) -> None:
    assert project.run("run good.yaml --ui quiet").stdout == ""
    done = project.run("run mixed.yaml --ui quiet")
    assert done.stdout == ""
    assert "2 of 6 cases" in done.stderr


def test_select_and_set_reach_the_plan(project: PantherProject) -> None:
    done = project.run(["run", "mixed.yaml", "--select", "name=talk", "--set", "repeat=3"])
    done.assert_ok()
    done.assert_verdicts({"talk": ["pass"] * 3})


def test_a_dry_run_shows_the_commands_and_starts_nothing(project: PantherProject) -> None:
    done = project.run("run good.yaml --dry-run")
    done.assert_ok()
    assert re.search(r"server +run +sleep 3600\n +client +run +echo talked\n1 case, nothing was started\n", done.stdout)
    assert done.runs == ()


def test_plan_as_json_is_a_list_of_cases(project: PantherProject) -> None:
    cases = json.loads(project.run("plan mixed.yaml --json --commands").stdout)
    assert [(each["name"], each["repetition"]) for each in cases[:3]] == [("talk", 1), ("mute", 1), ("known", 1)]
    assert cases[2]["expected"] == ["fail"]
    assert {"service": "client", "phase": "run", "command": "echo talked"} in cases[0]["commands"]


def test_a_plan_without_cases_is_an_error(project: PantherProject) -> None:
    project.run(["plan", "mixed.yaml", "-k", "name=talk and name=mute"]).assert_exit(2, "no case matches")


def test_a_run_without_cases_is_no_success(project: PantherProject) -> None:
    project.run(["run", "mixed.yaml", "-k", "name=talk and name=mute"]).assert_exit(2, "no case matches --select")


def test_validate_looks_at_every_file(project: PantherProject) -> None:
    done = project.run("validate good.yaml bad.yaml mixed.yaml")
    done.assert_exit(2, "bad.yaml:5:18")
    assert done.stdout == "good.yaml: 1 case\nmixed.yaml: 6 cases\n"


def test_reports_are_written_after_the_run_where_they_are_asked_for(project: PantherProject) -> None:
    done = project.run("run good.yaml --report junit --report json=out/result.json")
    assert (done.run / "junit.xml").read_text().startswith("<?xml")
    assert json.loads((project.folder / "out/result.json").read_text())["counts"] == {"pass": 1}


def test_an_unknown_report_is_refused_before_the_run(project: PantherProject) -> None:
    done = project.run("run good.yaml --report junti")
    done.assert_exit(2, "did you mean 'junit'?")
    assert done.runs == ()


def test_report_lists_writes_and_prints(project: PantherProject) -> None:
    run = project.run("run good.yaml").run
    assert project.run("report").stdout.splitlines()[0].split()[:2] == ["csv", "report.csv"]
    assert project.run(f"report {run.name} --format junit").stdout == f"runs/{run.name}/junit.xml\n"
    assert project.run("export last -f json -o -").stdout == project.run("report last -f json -o -").stdout
    assert project.run("report last --format markdown --output -").stdout.startswith("## good: all 1 as expected")
    project.run("report nosuch --format json --output new/x").assert_exit(2, "no run 'nosuch'")
    assert not (project.folder / "new").exists()
    assert {"json", "csv"} <= {each.split()[0] for each in project.run("export").stdout.splitlines()}
    assert "markdown" not in project.run("export").stdout
    project.run("report last -f csv --against last").assert_exit(2, "does not show what has changed")


@pytest.mark.parametrize("command", ["runs", "gc --keep 1", "serve"])
def test_a_folder_that_is_not_there_is_an_error(project: PantherProject, command: str) -> None:
    project.run(f"{command} nodir").assert_exit(2, "there is no folder nodir")


def test_nothing_starts_where_a_network_environment_knows_without_starting_anything_what_is_wrong(
    panther_project: MakeProject,
) -> None:
    text = """
name: wrong
protocol: minip
scenario: ping
implementation: ping-pong-py
test_cases:
  - {name: a, network_environment: {type: netns, network_topology: {connections: [client-nobody]}}}
  - {name: b, network_environment: localhost, matrix: {timeout: TIMEOUTS}}
  - {name: c, network_environment: {type: localhost, first_port: 3, last_port: 2}}
  - {name: d, network_environment: {type: docker_compose, deployment_target: cloud}}
"""
    project = panther_project({"wrong.yaml": text.replace("TIMEOUTS", str(list(range(1, 100))))})
    where, told = "network_environment", set()
    for command in ("validate", "plan", "run", "run --dry-run", "plan --simulate"):
        outcome = project.run(f"{command} wrong.yaml", environ={"PATH": "/nowhere"})
        outcome.assert_exit(2, "3 errors in wrong.yaml")
        told.add(outcome.stderr)
    assert len(told) == 1, "all commands tell the same"
    lines = [line.partition("error: test_cases")[2] for line in outcome.stderr.splitlines() if "wrong.yaml:" in line]
    assert [line.partition(" - ")[0] for line in lines] == [
        f"[0].{where}.network_topology.connections: the connection 'client-nobody' does not join two nodes",
        f"[2].{where}.last_port: last_port is smaller than first_port",
        f"[3].{where}.deployment_target: docker_compose cannot deploy to 'cloud'",
    ]
    assert "wrong.yaml:7:82: error:" in outcome.stderr, "where the list of connections begins"
    assert not (project.folder / "runs").exists()


def test_a_place_that_cannot_be_written_ends_every_command_with_the_same_code(project: PantherProject) -> None:
    project.run("run good.yaml --output done").assert_ok()
    for command in (
        "run good.yaml --output /proc/nowhere/x",
        "run good.yaml --output other --report json=/proc/nowhere/x",
        "report done --format json --output /proc/nowhere/x",
        "report done --format json --output done/results.jsonl/x",
        "schema --output /proc/nowhere/x",
        "expect --from done --output /proc/nowhere/x",
        "ci init good.yaml --output /proc/nowhere/x",
    ):
        outcome = project.run(command)
        outcome.assert_exit(2, "cannot")
        assert len(outcome.stderr.splitlines()) <= 2, outcome.stderr
    assert not (project.folder / "other").exists(), "nothing was started"


def test_runs_are_made_and_found_where_the_global_configuration_says(project: PantherProject) -> None:
    (project.folder / "global.yaml").write_text("paths: {output_dir: elsewhere}\n")
    project.run("--config global.yaml run good.yaml").assert_ok()
    (run,) = (project.folder / "elsewhere").glob("good-*")
    assert project.run("--config global.yaml show").stdout.startswith(f"elsewhere/{run.name}\n")
    project.run("show").assert_exit(2)


def test_a_bug_while_a_run_is_carried_out_leaves_its_traceback_in_the_run(panther_project: MakeProject) -> None:
    @hookimpl
    def panther_register_reports() -> Iterator[ReportDescriptor]:
        def write(run: object, target: object, options: object) -> None:
            raise ZeroDivisionError("nothing to divide by")

        yield ReportDescriptor(name="wrong", summary="Fails", filename="wrong.txt", write=write)

    plugin = ModuleType("wrong")
    plugin.panther_register_reports = panther_register_reports  # type: ignore[attr-defined]
    done = panther_project({"good.yaml": GOOD}, plugins=[DummyPlugin(), plugin]).run("run good.yaml --report wrong")
    done.assert_exit(1, "this is a bug in")
    (saved,) = done.run.glob("bug-*.txt")
    assert "nothing to divide by" in saved.read_text()
    assert f"runs/{done.run.name}/{saved.name}" in done.stderr


def test_show_tells_cells_counts_reasons_and_where_the_evidence_is(project: PantherProject) -> None:
    run = project.run("run mixed.yaml").run
    shown = project.run("show").stdout
    assert shown.startswith(f"runs/{run.name}\n6 cases: 2 pass, 4 fail\n")
    assert re.search(r"^  2 pass +\S+ s  talk$", shown, re.MULTILINE)
    assert re.search(r"^! 2 fail +\S+ s  mute$", shown, re.MULTILINE)
    assert re.search(r"^  2 fail +\S+ s  known$", shown, re.MULTILINE)
    assert shown.count("0 words, wanted 1") == 1
    assert "wanted 1 (and 1 more like it)" in shown
    assert all(Path(project.folder, line.strip()).is_dir() for line in shown.splitlines() if "/cases/" in line)


def test_show_tells_everything_about_one_case(project: PantherProject) -> None:
    project.run("run mixed.yaml")
    shown = project.run("show last --case known").stdout
    for word in (
        "expected  fail",
        "services",
        "checks",
        "measurements",
        "cpu_seconds",
        "services/client/stdout",
        "seed",
    ):
        assert word in shown
    project.run("show last --case nobody").assert_exit(2, "no case of")


def test_show_as_json_holds_the_records(project: PantherProject) -> None:
    run = project.run("run mixed.yaml").run
    document = json.loads(project.run("show --json --case mute").stdout)
    assert [each["name"] for each in document["cases"]] == ["mute", "mute"]
    assert Path(document["run"]).name == run.name


def test_resume_runs_what_was_not_as_expected_again(project: PantherProject) -> None:
    first = project.run("run mixed.yaml")
    again = project.run("resume", first.run.name)
    again.assert_exit(1, "mute", "2 of 6 cases")
    assert "pass" not in again.stdout.rpartition("6 cases")[0]
    missing = project.run("resume last --only-missing")
    assert "mute" not in missing.stdout


def test_a_resumed_run_keeps_to_what_was_selected(project: PantherProject) -> None:
    selected = project.run("run mixed.yaml --select name=mute")
    project.run("resume", selected.run.name).assert_exit(1, "2 of 2 cases")


def test_plugins_as_json_say_what_each_brings(project: PantherProject) -> None:
    found = {each["name"]: each for each in json.loads(project.run("plugins --json").stdout)}
    assert found["DummyPlugin"]["status"] == "active"
    assert {"kind": "protocol", "name": "dummy", "summary": "A client says words to itself"} in found["DummyPlugin"][
        "provides"
    ]
    assert "panther_register_services" in found["DummyPlugin"]["hooks"]
    assert set(found["DummyPlugin"]) == {
        "name",
        "kind",
        "distribution",
        "version",
        "status",
        "reason",
        "hooks",
        "file",
        "provides",
    }


def test_plugins_show_hooks_and_events(project: PantherProject) -> None:
    hooks = json.loads(project.run("plugins --hooks --json").stdout)
    assert hooks["panther_register_services"] == ["DummyPlugin"]
    events = {each["class"]: each["fields"] for each in json.loads(project.run("plugins --events --json").stdout)}
    assert events["ServiceReadyEvent"] == ["service_name", "environment_name"]


def test_no_plugin_at_all_is_said_with_the_way_out(panther_project: MakeProject) -> None:
    done = panther_project({}).run("plugins", environ={"PANTHER_PLUGINS": "-"})
    assert done.exit_code == 0


def needing(*needs: Need, leftovers: Any = None) -> object:
    @hookimpl
    def panther_register_network_environments() -> Iterator[NetworkEnvironmentDescriptor]:
        yield NetworkEnvironmentDescriptor(
            name="needy", summary="Needs things", needs=needs, factory=DummyNetwork, leftovers=leftovers
        )

    plugin = ModuleType("needy")
    plugin.panther_register_network_environments = panther_register_network_environments  # type: ignore[attr-defined]
    return plugin


def test_doctor_tells_what_is_there_and_how_to_get_the_rest(panther_project: MakeProject) -> None:
    plugin = needing(Need("tool", "sh"), Need("tool", "no-such-tool", package="nothing"), Need("python", "attrs"))
    project = panther_project({}, plugins=[plugin])
    shown = project.run("doctor").stdout
    assert re.search(r"tool +sh +found", shown)
    assert re.search(r"tool +no-such-tool +missing +apt install nothing +needy", shown)
    assert "not ready  network environment needy: no-such-tool (apt install nothing)" in shown
    assert re.search(r"ability .* localhost .* netns", shown)
    assert re.search(r"drop +\S.* proxy .* relay", shown)
    table = json.loads(project.run("doctor --json").stdout)["networks"]
    assert table["localhost"]["drop"] == "proxy (UDP only)"
    assert "images" not in table["localhost"]
    project.run("doctor needy").assert_exit(3, "not ready on this machine: needy")
    project.run("doctor nedy").assert_exit(2, "did you mean 'needy'?")
    found = json.loads(project.run("doctor needy --json").stdout)
    assert [each["state"] for each in found["needs"]] == ["found", "missing", "found"]
    assert found["capabilities"] == [
        {"kind": "network_environment", "name": "needy", "ready": False, "missing": ["no-such-tool"]}
    ]


def test_clean_lists_and_removes_what_dead_runs_have_left(panther_project: MakeProject) -> None:
    there = ["veth-7"]
    plugin = needing(
        leftovers=lambda: [
            Leftover(what=each, run_id="old-run", remove=lambda: there.remove("veth-7")) for each in there
        ]
    )
    project = panther_project({}, plugins=[plugin])
    assert "old-run  veth-7" in project.run("clean --dry-run").stdout
    assert there == ["veth-7"]
    project.run("clean").assert_ok()
    assert there == []


def test_clean_leaves_alone_what_belongs_to_a_run_that_has_begun_meanwhile(panther_project: MakeProject) -> None:
    begun: list[Supervisor] = []
    removed: list[str] = []

    def look() -> Iterator[Leftover]:
        begun.append(Supervisor.start(run_id="new-run"))
        yield Leftover(what="network", run_id="new-run", remove=lambda: removed.append("network"))

    try:
        panther_project({}, plugins=[needing(leftovers=look)]).run("clean").assert_ok()
    finally:
        for each in begun:
            each.close()
    assert len(begun) == 1
    assert removed == []


def test_clean_keeps_what_makes_later_runs_faster_unless_it_is_asked_for(panther_project: MakeProject) -> None:
    removed: list[str] = []
    plugin = needing(
        leftovers=lambda: [
            Leftover(what="image", run_id="old-run", remove=lambda: removed.append("image"), cache=True),
            Leftover(what="veth", run_id="old-run", remove=lambda: removed.append("veth")),
        ]
    )
    project = panther_project({}, plugins=[plugin])
    project.run("clean").assert_ok()
    assert removed == ["veth"]
    project.run("clean --caches").assert_ok()
    assert removed == ["veth", "image", "veth"]


def test_clean_goes_on_where_one_thing_cannot_be_removed(panther_project: MakeProject) -> None:
    def refuse() -> None:
        raise PermissionError("not yours")

    plugin = needing(leftovers=lambda: [Leftover(what="bridge", run_id="old-run", remove=refuse)])
    panther_project({}, plugins=[plugin]).run("clean").assert_exit(1, "bridge could not be removed: not yours")


def test_new_makes_a_plugin_and_refuses_to_overwrite_it(panther_project: MakeProject) -> None:
    project = panther_project({})
    project.run("new plugin report glow").assert_ok()
    assert (project.folder / "panther-report-glow/pyproject.toml").is_file()
    project.run("new plugin report glow").assert_exit(2)
    project.run("new plugin reprot glow").assert_exit(2, "did you mean 'report'?")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell: str, project: PantherProject) -> None:
    script = project.run("completion", shell).stdout
    for word in ("validate", "resume", "fail-fast", "locked", "live"):
        assert word in script


def test_bash_completes_commands_options_values_and_file_names_with_spaces(project: PantherProject) -> None:
    (project.folder / "run.sh").write_text(project.run("completion bash").stdout)
    (project.folder / "my file.yaml").write_text("")
    asking = (
        "source ./run.sh\n"
        'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _panther; printf "%s|" "${COMPREPLY[@]}"; echo; }\n'
        "ask panther va\nask panther run --fail\nask panther run --ui l\n"
        "ask panther run my\nask panther --strict completion z\n"
    )
    done = subprocess.run(["bash", "-c", asking], cwd=project.folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["validate|", "--fail-fast|", "live|lines|", "my file.yaml|", "zsh|"]


def test_schema_is_json_and_can_be_written_to_a_file(project: PantherProject) -> None:
    printed = json.loads(project.run("schema").stdout)
    project.run("schema --output s.json").assert_ok()
    assert json.loads((project.folder / "s.json").read_text()) == printed


PROGRAM = (
    "import sys; from panther_core.cli.main import main; from panther_core.testing.dummy import DummyPlugin\n"
    "sys.exit(main(sys.argv[1:], extra=[DummyPlugin()]))"
)


@contextlib.contextmanager
def started(project: PantherProject, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start the console as a program of its own; whatever happens, it does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def wait_for(condition: Callable[[], object], program: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert program.poll() is None, f"it ended: {program.communicate()}"
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_with_130_and_says_how_to_go_on(project: PantherProject, number: signal.Signals) -> None:
    with started(project, "run", "slow.yaml") as program:
        wait_for(lambda: list(project.folder.glob("runs/*/cases/*/1/services/client/stdout")), program)
        program.send_signal(number)
        stdout, stderr = program.communicate(timeout=60)
    assert program.returncode == 130
    (run,) = project.folder.glob("runs/slow-*")
    assert stderr == f"panther: interrupted; to continue: panther resume runs/{run.name}\n"
    assert "cancelled" in stdout


def on_a_terminal(project: PantherProject, *words: str, **environ: str) -> tuple[int, bytes]:
    """Run the console on a terminal of its own; return the exit code and everything that it wrote."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=project.folder,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "TERM": "xterm", **environ},
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass  # Linux reports the end of a terminal as an error
    os.close(ours)
    return program.wait(timeout=60), seen


def test_a_terminal_gets_the_live_screen_with_colours_and_its_cursor_back(project: PantherProject) -> None:
    code, seen = on_a_terminal(project, "run", "mixed.yaml")
    assert code == 1
    assert seen.count(b"\x1b[?25l") > 0
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    assert b"6 cases in" in seen
    assert b"\x1b[31m4 fail" in seen
    assert b";file://" in seen
    assert b"\x1b[1;31mpanther:" in seen


def test_a_terminal_without_colours_still_gets_the_live_screen(project: PantherProject) -> None:
    for words, environ in ((("--color", "never"), {}), ((), {"NO_COLOR": "1"})):
        _, seen = on_a_terminal(project, "run", "mixed.yaml", *words, **environ)
        assert b"\x1b[?25l" in seen
        assert re.search(rb"\x1b\[[0-9;]*m|\x1b\]", seen) is None


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"TERM": "dumb"}])
def test_a_log_or_a_simple_terminal_gets_plain_lines(project: PantherProject, environ: dict[str, str]) -> None:
    for words in (("run", "mixed.yaml"), ("show",), ("plugins",), ("run", "bad.yaml")):
        assert b"\x1b" not in on_a_terminal(project, *words, **environ)[1]


def test_a_pipe_gets_no_animation_and_needs_no_rich(project: PantherProject) -> None:
    script = (
        "import sys; from panther_core.cli.main import main; from panther_core.testing.dummy import DummyPlugin\n"
        "code = main(sys.argv[1:], extra=[DummyPlugin()])\n"
        "sys.stderr.write(f'{code} {[each for each in sys.modules if each.startswith(\"rich\")]}')"
    )
    for words in (("run", "good.yaml", "--ui", "live"), ("show",), ("plugins",), ("plan", "good.yaml")):
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=project.folder, capture_output=True, text=True, check=True
        )
        assert done.stderr == "0 []"
        assert "\x1b" not in done.stdout
