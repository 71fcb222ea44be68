"""A configured test case: its state, and a way to run it by itself."""

from __future__ import annotations

import abc
import enum
from typing import TYPE_CHECKING, Any

from panther_hookspecs import ConfigurationException, StateManager, TestExecutionError

if TYPE_CHECKING:
    from panther_core.config.models import ExperimentConfig, GlobalConfig, TestCaseConfig
    from panther_core.events import EventManager
    from panther_core.metrics import MetricsCollector
    from panther_core.plugin_manager import PluginManager

TestResult = dict[str, Any]
"""Verdict, counts and the last record of a test case, as plain data."""


class TestCaseState(enum.Enum):
    """Where a test case is on its way."""

    __test__ = False

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: dict[TestCaseState, tuple[TestCaseState, ...]] = {
    TestCaseState.PENDING: (TestCaseState.RUNNING, TestCaseState.FAILED, TestCaseState.CANCELLED),
    TestCaseState.RUNNING: (TestCaseState.COMPLETED, TestCaseState.FAILED, TestCaseState.CANCELLED),
    TestCaseState.COMPLETED: (),
    TestCaseState.FAILED: (),
    TestCaseState.CANCELLED: (),
}
"""What may follow what. FAILED means that a case did not come out as expected."""


class ITestCase(abc.ABC):
    """What the engine needs of a test case."""

    @abc.abstractmethod
    def run(self) -> TestResult:
        """Run it and return what came out."""

    @abc.abstractmethod
    def validate_configuration(self) -> bool:
        """Return True if it can be planned; raise ConfigurationException if not."""


class TestCase(ITestCase):
    """One entry of ``test_cases``: all cells of its matrix and all its repetitions."""

    __test__ = False

    def __init__(
        self,
        test_case_config: TestCaseConfig,
        global_config: GlobalConfig,
        plugin_manager: PluginManager,
        event_manager: EventManager,
        metrics_collector: MetricsCollector,
    ) -> None:
        """Make the test case pending."""
        self.config = test_case_config
        self.global_config = global_config
        self.plugin_manager = plugin_manager
        self.event_manager = event_manager
        self.metrics_collector = metrics_collector
        self._states = StateManager(TestCaseState.PENDING, TRANSITIONS)
        self.experiment: ExperimentConfig | None = None
        """The experiment that it belongs to; one that was made alone is an experiment of its own."""

    @property
    def name(self) -> str:
        """The name that the experiment file gives it."""
        return self.config.name

    @property
    def state(self) -> TestCaseState:
        """Where it is on its way."""
        return self._states.current_state

    def transition_to(self, new_state: TestCaseState) -> None:
        """Go to ``new_state``; TestExecutionError names a transition that is not allowed."""
        if not self._states.transition_to(new_state):
            allowed = ", ".join(each.value for each in TRANSITIONS[self.state]) or "nothing"
            raise TestExecutionError(
                f"test case {self.name} cannot go from {self.state.value} to {new_state.value}; "
                f"after {self.state.value} comes {allowed}"
            )

    def validate_configuration(self) -> bool:
        """Return True if the test case can be planned; ConfigurationException lists what is wrong."""
        from panther_core.plan import plan_cases  # noqa: PLC0415 - planning pulls in the configuration machinery

        first = next(plan_cases(self._experiment(), self.plugin_manager.registry), None)
        if first is None:
            raise ConfigurationException(f"test case {self.name} has no case: its matrix excludes everything")
        return True

    def run(self) -> TestResult:
        """Run every case of it, one after the other, and return what came out."""
        from panther_core.experiment_manager import ExperimentManager  # noqa: PLC0415 - which holds test cases

        with ExperimentManager(
            self.global_config,
            experiment_name=self.name,
            plugins=self.plugin_manager,
            event_manager=self.event_manager,
            metrics_collector=self.metrics_collector,
        ) as manager:
            manager.initialize_experiments(self._experiment())
            results = manager.run_tests()
            self.transition_to(TestCaseState.RUNNING)
            self.transition_to(manager.test_cases[0].state)
        return results

    def _experiment(self) -> ExperimentConfig:
        from panther_core.config.models import ExperimentConfig  # noqa: PLC0415 - see above

        if self.experiment is not None:
            import attrs  # noqa: PLC0415 - only here

            return attrs.evolve(self.experiment, test_cases=(self.config,))
        return ExperimentConfig(name=self.config.name, test_cases=(self.config,))
