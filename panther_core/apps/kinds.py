"""Kinds of tests by name, and how a kind is carried out.

Both tables belong to the process: a kind that is registered here is known to every facade, as programs expect.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from panther_hookspecs import CaseControl, PluginValidationError, Stage, StageResult, Verdict


class App(str):
    """The name of an app, and the running case that stands for it while its stages run."""

    __slots__ = ("case",)

    case: CaseControl

    def __new__(cls, name: str, case: CaseControl) -> Self:
        """Name the app that ``case`` runs."""
        made = super().__new__(cls, name)
        made.case = case
        return made


class Test(abc.ABC):
    """One kind of test: it takes an app through stages."""

    __test__: ClassVar[bool] = False

    @abc.abstractmethod
    def run(self, app_name: str, stages: list[Stage], **kwargs: Any) -> Mapping[str, StageResult]:
        """Execute the stages and return their results by name. ``app_name`` is an :class:`App` while a case runs."""


class SequentialTest(Test):
    """Runs stages one after the other: the first gets the app, each later one the results so far.

    After a stage that went wrong only those that clean up are run.
    """

    def run(self, app_name: str, stages: list[Stage], **_: Any) -> Mapping[str, StageResult]:
        """Execute the stages and return their results by name."""
        results: dict[str, StageResult] = {}
        for number, stage in enumerate(stages):
            good = all(each.status is Verdict.PASS for each in results.values())
            if good or stage.always:
                results[stage.name] = stage.execute(results if number else app_name)
        return results


class TestFactory:
    """Knows the kinds of tests by name."""

    __test__: ClassVar[bool] = False
    _kinds: ClassVar[dict[str, type[Test]]] = {}

    @classmethod
    def register(cls, test_type: str, test_class: type[Test]) -> None:
        """Make ``test_class`` known as ``test_type``; a later registration of the name replaces an earlier one."""
        if not issubclass(test_class, Test):
            raise PluginValidationError(f"the test type {test_type!r} must be a subclass of Test, got {test_class!r}")
        cls._kinds[test_type] = test_class

    @classmethod
    def create(cls, test_type: str) -> Test:
        """Return a test of that kind; PluginValidationError lists the kinds there are."""
        if test_type not in cls._kinds:
            known = ", ".join(sorted(cls._kinds)) or "none"
            raise PluginValidationError(
                f"no test type {test_type!r} is registered (registered: {known})\n"
                f"  try: TestFactory.register({test_type!r}, YourTest)"
            )
        return cls._kinds[test_type]()

    @classmethod
    def registered(cls) -> Sequence[str]:
        """Return the names of all kinds."""
        return tuple(sorted(cls._kinds))


class TestExecutionStrategy(abc.ABC):
    """How a kind of test is called: with which arguments besides app and stages."""

    __test__: ClassVar[bool] = False

    @abc.abstractmethod
    def execute(self, test: Test, app_name: str, stages: list[Stage]) -> Mapping[str, Any]:
        """Run ``test`` and return the results of its stages by name."""


class _Plain(TestExecutionStrategy):
    """Calls a test with nothing but app and stages."""

    def execute(self, test: Test, app_name: str, stages: list[Stage]) -> Mapping[str, Any]:
        return test.run(app_name, stages)


class TestExecutionFactory:
    """Knows the strategy of every kind of test that needs one."""

    __test__: ClassVar[bool] = False
    _strategies: ClassVar[dict[str, TestExecutionStrategy]] = {}

    @classmethod
    def register_strategy(cls, test_type: str, strategy: TestExecutionStrategy) -> None:
        """Carry tests of that kind out by ``strategy``."""
        cls._strategies[test_type] = strategy

    @classmethod
    def get_strategy(cls, test_type: str) -> TestExecutionStrategy:
        """Return the strategy of that kind, or one that passes nothing but app and stages."""
        return cls._strategies.get(test_type, _Plain())
