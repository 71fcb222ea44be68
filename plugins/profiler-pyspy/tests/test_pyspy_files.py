"""What py-spy writes is read exactly, in both formats; what is not complete is not taken for a profile."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from panther_profiler_pyspy.options import PySpyOptions
from panther_profiler_pyspy.preflight import problems_of
from panther_profiler_pyspy.profile import Profile
from panther_profiler_pyspy.sampler import complaint

from panther_hookspecs import HotFunction, InstrumentTarget, Problem, ServiceCommand, ShellCommand, function_shares

STACKS = """\
process 102:"python app.py";<module> (app.py:20);main (app.py:12);hot (app.py:4) 60
process 102:"python app.py";<module> (app.py:20);main (app.py:12);hot (app.py:5) 15
process 102:"python app.py";<module> (app.py:20);main (app.py:13);main (app.py:13);cold (pkg/__init__.py:8) 20
process 102:"python app.py";0x7f901104524a (libc.so.6);<module> (app.py:20);pow (libm.so.6) 5
"""

TIMELINE = {
    "profiles": [
        {"name": "Thread 1", "samples": [[0, 1, 2]] * 3 + [[0, 1, 3]], "weights": [0.01] * 4},
        {"name": "Thread 2", "samples": [[4]], "weights": [0.01]},
        {"name": "Thread 3", "samples": [], "weights": []},
    ],
    "shared": {
        "frames": [
            {"name": 'process 10:"python -c import x; x.y()"', "file": "", "line": 0},
            {"name": "main", "file": "/srv/app/app.py", "line": 1},
            {"name": "hot", "file": "/srv/app/app.py", "line": 3},
            {"name": "cold", "file": "/srv/app/pkg/__init__.py", "line": 7},
            {"name": "0x7f901104524a", "file": "/lib/libc.so.6", "line": 0},
        ]
    },
}


def stacks(text: str) -> Profile:
    profile = Profile()
    profile.read_stacks(text.splitlines(keepends=True))
    return profile


def timeline(folder: Path, document: Any) -> Profile:
    profile, file = Profile(), folder / "pyspy.speedscope.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    profile.read_timeline(file)
    return profile


def test_functions_are_told_without_lines_processes_and_addresses() -> None:
    profile = stacks(STACKS)
    assert profile.samples == 100
    functions = profile.functions()
    assert functions[:2] == [
        HotFunction("hot (app.py)", 75, 75, short="hot"),
        HotFunction("cold (pkg/__init__.py)", 20, 20, short="cold"),
    ]
    assert {each.name: each.cumulative for each in functions}["main (app.py)"] == 95
    assert {"[libc.so.6]", "pow (libm.so.6)"} <= {each.name for each in functions}


def test_a_look_at_an_interpreter_without_a_function_counts() -> None:
    profile = stacks("main (app.py:1) 3\n 1\n")
    assert (profile.samples, [each.flat for each in profile.functions()]) == (4, [3])
    assert list(profile.folded(lines=False)) == ["[unknown] 1", "main (app.py) 3"]


def test_folded_stacks_tell_lines_if_asked_to() -> None:
    plain, exact = list(stacks(STACKS).folded(lines=False)), list(stacks(STACKS).folded(lines=True))
    assert "process python app.py;<module> (app.py);main (app.py);hot (app.py) 75" in plain
    assert "process python app.py;<module> (app.py:20);main (app.py:12);hot (app.py:5) 15" in exact
    assert {sum(int(line.rpartition(" ")[2]) for line in lines) for lines in (plain, exact)} == {100}


def test_a_timeline_has_the_same_samples_and_its_threads(tmp_path: Path) -> None:
    profile = timeline(tmp_path, TIMELINE)
    assert (profile.samples, profile.threads) == (5, 2)
    assert profile.functions()[0] == HotFunction("hot (app.py)", 3, 3, short="hot")
    process = "process python -c import x: x.y()"
    assert list(profile.folded(lines=False)) == [
        "[libc.so.6] 1",
        f"{process};main (app.py);cold (pkg/__init__.py) 1",
        f"{process};main (app.py);hot (app.py) 3",
    ]


@pytest.mark.parametrize(
    "cut", ["", '{"profiles": [', '{"profiles": []}', "[]", '{"profiles": [{}], "shared": {"frames": []}}']
)
def test_a_timeline_that_is_not_complete_is_refused(tmp_path: Path, cut: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|it is no profile of py-spy"):
        timeline(tmp_path, cut)


@pytest.mark.parametrize("cut", [STACKS[:-1], STACKS[:-3] + "\n", "hot\n", "main (app.py:1) x\n"])
def test_stacks_that_are_cut_off_are_refused(cut: str) -> None:
    with pytest.raises(ValueError, match="cut off"):
        stacks(cut)


def test_shares_are_measured_by_rank_and_by_name() -> None:
    profile = stacks(STACKS)
    wanted = ("main", "gone", "kernel")
    shares = function_shares(profile.functions(), 100, source="pyspy", service="one", wanted=wanted)
    found = {each.name: each for each in shares}
    assert found["pyspy.top1.share"].value == found["pyspy.hot.share"].value == 0.75
    assert found["pyspy.top1.share"].labels == {"function": "hot (app.py)"}
    assert found["pyspy.main.cumulative.share"].value == 0.95
    assert found["pyspy.gone.share"].value == found["pyspy._kernel.share"].value == 0


def target(runtime: str) -> InstrumentTarget:
    command = ServiceCommand(program=ShellCommand("server"))
    return InstrumentTarget(service="one", command=command, runtime=runtime, stop_signal=15)


def told(runtime: str, **options: Any) -> str:
    return "\n".join(map(str, problems_of(target(runtime), PySpyOptions(**options))))


@pytest.mark.parametrize("runtime", ["native", "static", "go", "node", "script"])
def test_what_is_not_python_is_refused(runtime: str) -> None:
    said = told(runtime)
    assert said.startswith("py-spy sees nothing but Python\n  in service one\n")
    assert runtime in said
    assert "perf_record" in said


def test_python_is_welcome() -> None:
    assert told("python") == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sampling_rate": 0.5}, "whole number from 1 to 1000"),
        ({"sampling_rate": 5000}, "cannot look 5000 times a second"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options: dict[str, Any], said: str) -> None:
    assert said in told("python", **options)


@pytest.mark.parametrize(
    ("scope", "user", "said"),
    [
        ("0", 1000, ""),
        ("1", 0, ""),
        ("1", 1000, "sysctl kernel.yama.ptrace_scope=0"),
        ("2", 1000, "only root may look"),
        ("3", 0, "no process may look"),
    ],
)
def test_a_kernel_that_forbids_to_look_is_seen_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str, user: int, said: str
) -> None:
    file = tmp_path / "ptrace_scope"
    file.write_text(f"{scope}\n")
    monkeypatch.setattr("panther_profiler_pyspy.preflight._YAMA", file)
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert bool(told("python")) == bool(said)
    assert said in told("python")


def test_a_missing_tool_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert told("python") == str(
        Problem(what="py-spy is not installed", fix="pip install py-spy, where PANTHER is installed")
    )


def test_native_and_nonblocking_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="nonblocking"):
        PySpyOptions(native=True, nonblocking=True)


def test_what_py_spy_complains_about_becomes_one_line() -> None:
    said = "py-spy> Sampling\nError: Failed to suspend process\n\nCaused by:\n    0: EPERM: Operation not permitted\n"
    assert complaint(said) == "Failed to suspend process: EPERM: Operation not permitted"
    assert complaint("") == ""
    assert re.match("Permission Denied", complaint("Permission Denied: Try running again\n"))
