"""What is said when the simulator itself goes wrong; a program that only behaves like it does that when it should."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from panther_env_shadow import preflight

from panther_core.testing import MakeProject, Outcome, recording_context

EXPERIMENT = """
name: e
network_environment: {type: shadow_ns, shadow: {hang_timeout: 1s}}
test_cases:
  - {name: one, services: {loop: {implementation: command, argv: ["true"]}}}
"""
BEGIN = f"#!{sys.executable}\nimport json, os, subprocess, sys, time\n"
VERSION = "if '--version' in sys.argv:\n    raise SystemExit(print('Shadow 3.3.0'))\n"
BEAT = "print('0 [1:w] n/a [INFO] [n/a] [m.rs:1] [x] P at simtime 5000000000 reported by getrusage():', flush=True)\n"
CRASH = "os.mkdir('data')\nsys.stderr.write('thread worker panicked at relay.rs:7\\n')\nos.abort()\n"
SAID = (
    "Failed to load configuration file shadow.yaml\\n\\nCaused by:\\n    0: Could not parse\\n    1: unknown field `x`"
)
REFUSE = f"""
assert not os.path.exists("data"), "Shadow refuses a folder that exists"
raise SystemExit("{SAID}")
"""
HANG = """
process = json.load(open("shadow.yaml"))["hosts"]["loop"]["processes"][0]
subprocess.run([sys.executable, "-c", "while True: pass"], env=process["environment"])
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path) -> None:
    with recording_context(tmp_path, name="look") as context:
        if problems := list(preflight.machine_problems(preflight.look(context.commands.execute))):
            pytest.skip(f"only where a simulator could run: {problems[0].what}")


def run(make: MakeProject, tmp_path: Path, behaviour: str) -> Outcome:
    fake = tmp_path / "bin" / "shadow"
    fake.parent.mkdir()
    fake.write_text(BEGIN + VERSION + behaviour)
    fake.chmod(0o755)
    return make({"e.yaml": EXPERIMENT}).run("run e.yaml", environ={"PATH": f"{fake.parent}:/usr/bin:/bin:/usr/sbin"})


def test_a_simulator_that_dies_is_an_error_with_its_last_words(panther_project: MakeProject, tmp_path: Path) -> None:
    (case,) = run(panther_project, tmp_path, CRASH).cases()
    assert case["verdict"] == "error"
    assert "Shadow could not carry the case out: thread worker panicked at relay.rs:7" in case["why"]
    assert "network/simulator/stdout" in case["why"]


def test_a_configuration_that_shadow_refuses_is_told_with_its_reason(
    panther_project: MakeProject, tmp_path: Path
) -> None:
    (case,) = run(panther_project, tmp_path, REFUSE).cases()
    assert "Failed to load configuration file shadow.yaml: Could not parse: unknown field `x`" in case["why"]


def test_a_process_that_hangs_is_named_with_what_helps(panther_project: MakeProject, tmp_path: Path) -> None:
    (case,) = run(panther_project, tmp_path, BEAT + HANG).cases()
    assert "simulated time has stood at about 5 s for 1 s: loop (process" in case["why"], case["why"]
    assert "model_unblocked_syscall_latency: true" in case["why"]
    assert not case["problems"], "nothing is left of it"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_simulation_as_root_is_warned_of(panther_project: MakeProject, tmp_path: Path) -> None:
    (case,) = run(panther_project, tmp_path, CRASH).cases()
    assert "Shadow runs as root, which it does not simulate: programs see no permissions" in case["notes"]
