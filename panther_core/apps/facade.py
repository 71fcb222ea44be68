"""Runs all tests of all apps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_core.app import Panther, RunOptions
from panther_core.apps.kinds import App, TestExecutionFactory, TestFactory
from panther_hookspecs import (
    CaseControl,
    ExperimentInitializationError,
    PluginValidationError,
    Stage,
    StageResult,
    TestTypeDescriptor,
    Verdict,
    hookimpl,
)

Results = Mapping[str, StageResult]


@attrs.frozen(kw_only=True)
class TestOutcome:
    """What came of one kind of test of one app."""

    __test__: ClassVar[bool] = False

    verdict: str
    """The verdict over all cases of the experiment."""
    results: tuple[Results, ...]
    """Results of the stages by name, for each case that was run."""
    run: Path | None
    """The run directory with all evidence."""
    errors: tuple[str, ...] = ()

    @property
    def stages(self) -> Results:
        """The results of the last case."""
        return self.results[-1] if self.results else {}


@attrs.frozen
class _Registered:
    """An app with the stages of each kind of test."""

    name: str
    experiment: Path
    tests: Mapping[str, Sequence[Stage]]


@attrs.frozen
class _TestTypePlugin:
    """Announces one kind of test as a test type, for the run that it is made for."""

    name: str
    carry_out: Callable[[CaseControl], StageResult]

    @hookimpl
    def panther_register_test_types(self) -> Iterator[TestTypeDescriptor]:
        """Yield the test type: the test itself, then whatever the services still have to say to each other."""
        yield TestTypeDescriptor(
            name=self.name,
            summary=f"Runs the tests {self.name} of a Python program",
            stages=(Stage("test", self.carry_out), Stage("exchange", lambda case: case.wait() and None)),
        )


@attrs.define
class AppTestFacade:
    """Registers apps with the stages of their tests, and runs every test of every app.

    The app ``MyApp`` is the experiment ``MyApp.yaml`` in ``folder``. For each kind of test it is run once, and its
    services are there while the stages run.
    """

    folder: Path = Path()
    options: RunOptions = RunOptions()
    _apps: list[_Registered] = attrs.field(factory=list, init=False)

    def register_app(
        self, app_name: str, test_stages: Mapping[str, Sequence[Stage]], experiment: Path | str | None = None
    ) -> None:
        """Register an app with its stages by kind of test; ``experiment`` is its file if it is not ``<app>.yaml``."""
        path = self.folder / (experiment or f"{app_name}.yaml")
        if not path.is_file():
            raise ExperimentInitializationError(
                f"the app {app_name!r} has no experiment: there is no file {path}\n"
                f"  try: write it, or name another with register_app({app_name!r}, ..., experiment='FILE')"
            )
        for kind in test_stages:
            TestFactory.create(kind)
        self._apps.append(_Registered(app_name, path, dict(test_stages)))

    def run_all_tests(self) -> Mapping[str, Mapping[str, TestOutcome]]:
        """Run every kind of test of every app; return what came of each, by app and kind. One that fails ends none."""
        return {app.name: {kind: self._run(app, kind) for kind in app.tests} for app in self._apps}

    def _run(self, app: _Registered, kind: str) -> TestOutcome:
        collected: list[Results] = []
        type_name = re.sub(r"[^a-z0-9_.-]", "-", f"{kind}.{app.name}".lower())
        plugin = _TestTypePlugin(type_name, lambda case: _carry_out(App(app.name, case), kind, app.tests, collected))
        panther = Panther.create(extra=(plugin,))
        count = len(panther.load(app.experiment).test_cases)
        sets = [*self.options.sets, *(f"test_cases.{number}.type={type_name}" for number in range(count))]
        summary = panther.run(app.experiment, attrs.evolve(self.options, sets=sets))
        return TestOutcome(
            verdict=summary.verdict, results=tuple(collected), run=summary.run, errors=tuple(summary.errors)
        )


def _carry_out(app: App, kind: str, tests: Mapping[str, Sequence[Stage]], collected: list[Results]) -> StageResult:
    """Run one kind of test on a running case, and say how the worst of its stages went."""
    given: Any = TestExecutionFactory.get_strategy(kind).execute(TestFactory.create(kind), app, list(tests[kind]))
    if not isinstance(given, Mapping) or not given:
        raise PluginValidationError(f"the test type {kind!r} returned {given!r} instead of results by stage")
    results = {str(name): StageResult.of(each) for name, each in given.items()}
    collected.append(results)
    values = {name: each.values for name, each in results.items()}
    for worst in (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.UNSUPPORTED):
        bad = [f"{name}: {each.error}" for name, each in results.items() if each.status is worst]
        if bad:
            return StageResult(status=worst, error="; ".join(bad), values=values)
    return StageResult(values=values)
