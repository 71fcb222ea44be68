"""For programs of Testplan: PANTHER's services as a driver of an environment, and an experiment as a MultiTest.

Import this module only where Testplan is installed.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_report_testplan.holding import ENDPOINTS, RELEASE

_MULTITEST: Any = importlib.import_module("testplan.testing.multitest")
_DRIVER: Any = importlib.import_module("testplan.testing.multitest.driver.base").Driver
PANTHER = (sys.executable, "-m", "panther_core")
PATIENCE = 60.0
"""Seconds that taking the services down may take."""
_RECORDS = "results.jsonl"


class PantherServices(_DRIVER):  # type: ignore[misc]  # Testplan has no types
    """Keeps the services of an experiment running as long as the environment exists.

    ``experiment`` is a file with one case. Suites find every service in ``env.<driver>.endpoints``: its ``ip``, its
    ``ports`` by name, and the ``folder`` with what it writes. When the driver stops, the case is judged as always, and
    everything about it is in ``env.<driver>.run``.
    """

    def __init__(self, name: str, experiment: Path | str, sets: Sequence[str] = (), **options: Any) -> None:
        """Take the experiment file and overrides as ``panther run --set`` has them."""
        super().__init__(name=name, **options)
        self.experiment, self.sets = Path(experiment).absolute(), tuple(sets)
        self.endpoints: Mapping[str, Any] = {}
        self.run = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def starting(self) -> None:
        """Start the services."""
        super().starting()
        self.run = Path(self.runpath or tempfile.mkdtemp()) / "panther"
        sets = [text for each in ("test_cases.0.type=held", *self.sets) for text in ("--set", each)]
        command = [*PANTHER, "run", str(self.experiment), "--output", str(self.run), *sets]
        with (Path(self.run.parent) / "panther.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def started_check(self) -> bool:
        """Return whether all services are ready; raise if they never will be."""
        found = list(self.run.glob(f"cases/*/1/{ENDPOINTS}"))
        if found:
            self.endpoints = json.loads(found[0].read_text(encoding="utf-8"))
            return True
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"PANTHER could not start {self.experiment}: {self._said()}")
        return False

    def _said(self) -> str:
        return (self.run.parent / "panther.log").read_text(encoding="utf-8", errors="replace").strip()

    def stopping(self) -> None:
        """Release the services and wait until everything is taken down."""
        for each in self.run.glob("cases/*/1"):
            (each / RELEASE).touch()
        if self._process is not None:
            self._process.wait(PATIENCE)
        super().stopping()

    def aborting(self) -> None:
        """End PANTHER, which ends everything that it has started."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def experiment_multitest(name: str, experiment: Path | str, output: Path | str, **options: Any) -> Any:
    """Return an experiment as a MultiTest: it is run once, and every case of it is a test case.

    ``options`` are those of MultiTest; ``output`` is the folder of the run.
    """
    run = Path(output).absolute()
    plan = subprocess.run(
        [*PANTHER, "plan", str(experiment), "--json"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if plan.returncode:
        raise RuntimeError(f"{experiment} is no experiment that can be run: {plan.stderr.strip()}")
    cases = {each["case"]: each for each in json.loads(plan.stdout)}
    return _MULTITEST.MultiTest(name=name, suites=[_suite(Path(experiment), run, cases)], **options)


def _suite(experiment: Path, run: Path, cases: Mapping[str, Any]) -> Any:
    """Return a suite with one test case for each case of the experiment."""

    def setup(_self: Any, _env: Any, result: Any) -> None:
        command = [*PANTHER, "run", str(experiment), "--output", str(run)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        result.log(done.stdout + done.stderr, description=f"panther run {experiment.name}")

    def judged(_self: Any, _env: Any, result: Any, case: str) -> None:
        record = _records(run).get(case)
        if record is None:
            result.fail(f"{case} was not run")
            return
        for each in record["checks"]:
            result.true(
                each["verdict"] == "pass" or record["as_expected"], description=f"{each['name']}: {each['evidence']}"
            )
        result.true(record["as_expected"], description=f"{record['verdict']}: {record['why']}")

    def named(_func_name: str, kwargs: Mapping[str, str]) -> str:
        about = cases[kwargs["case"]]
        cell = ", ".join(f"{axis}={value}" for axis, value in about["cell"].items())
        return f"{about['name']}{f' [{cell}]' if cell else ''} #{about['repetition']}"

    decorated = _MULTITEST.testcase(parameters={"case": tuple(cases)}, name_func=named)(judged)
    return _MULTITEST.testsuite(type("Experiment", (), {"setup": setup, "judged": decorated}))()


def _records(run: Path) -> Mapping[str, Any]:
    """Return the last record of every case."""
    lines = (run / _RECORDS).read_text(encoding="utf-8").splitlines() if (run / _RECORDS).is_file() else []
    return {each["case"]: each for each in map(json.loads, lines)}
