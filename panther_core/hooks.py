"""The typed façade over the hook relay: the engine never calls the untyped one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
import pluggy

from panther_hookspecs import (
    BaseEvent,
    CaseInfo,
    Descriptor,
    ExperimentPhase,
    PantherExperimentError,
    RunInfo,
    System,
    TestCandidate,
    Verdict,
)


class HookError(PantherExperimentError):
    """A plugin's hook implementation raised; the message names plugin, version and hook."""


@attrs.frozen(kw_only=True)
class HookFailure:
    """An exception of a hook implementation that did not change the outcome, for the report at the end."""

    plugin: str
    hook: str
    error: BaseException

    def __str__(self) -> str:
        """Return plugin, hook and error in one line."""
        return f"plugin {self.plugin}: {self.hook} raised {type(self.error).__name__}: {self.error}"


@attrs.define
class Hooks:
    """One method per hook. Notifications before something fail it; those after something are only reported."""

    _manager: pluggy.PluginManager
    _describe: Callable[[str], str]
    """Turns the registered name of a plugin into one with its version."""
    _callers: dict[str, tuple[tuple[str, pluggy.HookCaller], ...]] = attrs.field(factory=dict)
    failures: list[HookFailure] = attrs.field(factory=list)

    def registered(self, kind: str, plugin: object) -> Iterator[Descriptor]:
        """Yield what one plugin registers through ``panther_register_<kind>``."""
        for name, caller in self._each(f"panther_register_{kind}"):
            if self._manager.get_plugin(name) is plugin:
                for descriptors in caller():
                    yield from descriptors

    def before_phase(self, run: RunInfo, phase: ExperimentPhase) -> None:
        """Tell that ``phase`` begins; an exception ends the run."""
        self._tell("panther_before_phase", fatal=True, run=run, phase=phase)

    def after_phase(self, run: RunInfo, phase: ExperimentPhase) -> None:
        """Tell that ``phase`` is over."""
        self._tell("panther_after_phase", fatal=False, run=run, phase=phase)

    def on_phase_error(self, run: RunInfo, phase: ExperimentPhase, error: BaseException) -> None:
        """Tell that ``phase`` was ended by ``error``."""
        self._tell("panther_on_phase_error", fatal=False, run=run, phase=phase, error=error)

    def before_test_case(self, case: CaseInfo) -> None:
        """Tell that an attempt begins; an exception makes it an error."""
        self._tell("panther_before_test_case", fatal=True, case=case)

    def after_test_case(self, case: CaseInfo, verdict: Verdict) -> None:
        """Tell that an attempt is over."""
        self._tell("panther_after_test_case", fatal=False, case=case, verdict=verdict)

    def on_test_case_error(self, case: CaseInfo, error: BaseException) -> None:
        """Tell that an attempt was ended by ``error``."""
        self._tell("panther_on_test_case_error", fatal=False, case=case, error=error)

    def before_environment_setup(self, case: CaseInfo, environment: str) -> None:
        """Tell that a network environment is about to be set up; an exception makes the attempt an error."""
        self._tell("panther_before_environment_setup", fatal=True, case=case, environment=environment)

    def after_environment_teardown(self, case: CaseInfo, environment: str, leftovers: Sequence[str]) -> None:
        """Tell that a network environment was taken down."""
        self._tell(
            "panther_after_environment_teardown", fatal=False, case=case, environment=environment, leftovers=leftovers
        )

    def on_environment_error(self, case: CaseInfo, environment: str, error: BaseException) -> None:
        """Tell that a network environment failed."""
        self._tell("panther_on_environment_error", fatal=False, case=case, environment=environment, error=error)

    def event_listener(self) -> Callable[[BaseEvent], None] | None:
        """Return what to call for every event, or None if no plugin wants them one by one."""
        callers = tuple(caller for _, caller in self._each("panther_on_event"))
        if not callers:
            return None

        def listen(event: BaseEvent) -> None:
            for caller in callers:
                caller(event=event)

        return listen

    def choose_next_test(self, waiting: Sequence[TestCandidate], system: System) -> TestCandidate | None:
        """Return the test that a plugin wants on ``system``, or None."""
        chosen = self._decide("panther_choose_next_test", waiting=waiting, system=system)
        return chosen if isinstance(chosen, TestCandidate) and chosen in waiting else None

    def choose_applicable(self, test: TestCandidate, system: System) -> bool:
        """Return whether ``test`` may run on ``system``: a plugin's answer, else whether it has all labels."""
        answer = self._decide("panther_choose_applicable", test=test, system=system)
        return test.labels <= system.labels if answer is None else bool(answer)

    def choose_fitness(self, test: TestCandidate, system: System) -> float:
        """Return how well ``test`` fits ``system``; 0 if no plugin has an opinion."""
        answer = self._decide("panther_choose_fitness", test=test, system=system)
        return 0.0 if answer is None else float(answer)

    def choose_port_range(self, run: RunInfo) -> tuple[int, int] | None:
        """Return the ports that a plugin wants to be used, or None."""
        for plugin, caller in self._each("panther_choose_port_range"):
            try:
                answer = caller(run=run)
            except Exception as error:
                raise HookError(f"plugin {self._describe(plugin)}: panther_choose_port_range raised {error}") from error
            if answer is not None:
                return int(answer[0]), int(answer[1])
        return None

    def implemented(self, hook: str) -> bool:
        """Return whether any plugin implements ``hook``, so that hot paths can leave the call out."""
        return bool(self._each(hook))

    def forget(self) -> None:
        """Look the implementations up anew: a plugin was registered or taken away."""
        self._callers.clear()

    def _each(self, hook: str) -> tuple[tuple[str, pluggy.HookCaller], ...]:
        """Return every plugin that implements ``hook`` with a caller for it alone, in call order."""
        if hook not in self._callers:
            full: pluggy.HookCaller = getattr(self._manager.hook, hook)
            impls = list(reversed(full.get_hookimpls()))
            self._callers[hook] = tuple(
                (
                    impl.plugin_name,
                    self._manager.subset_hook_caller(hook, [other.plugin for other in impls if other is not impl]),
                )
                for impl in impls
            )
        return self._callers[hook]

    def _tell(self, hook: str, *, fatal: bool, **arguments: object) -> None:
        """Call each plugin by itself, so that one that raises keeps no other from being told."""
        for plugin, caller in self._each(hook):
            try:
                caller(**arguments)
            except Exception as error:
                if fatal:
                    raise HookError(
                        f"plugin {self._describe(plugin)}: {hook} raised {type(error).__name__}: {error}"
                    ) from error
                self._keep(plugin, hook, error)

    def _decide(self, hook: str, **arguments: object) -> Any:
        for plugin, caller in self._each(hook):
            try:
                answer = caller(**arguments)
            except Exception as error:  # noqa: BLE001 - reported at the end of the run, the engine decides instead
                self._keep(plugin, hook, error)
                continue
            if answer is not None:
                return answer
        return None

    def _keep(self, plugin: str, hook: str, error: BaseException) -> None:
        self.failures.append(HookFailure(plugin=self._describe(plugin), hook=hook, error=error))


def listed(failures: Iterable[object]) -> tuple[str, ...]:
    """Return each distinct failure once, with how often it happened."""
    counts: dict[str, int] = {}
    for failure in failures:
        counts[str(failure)] = counts.get(str(failure), 0) + 1
    return tuple(_times(*each) for each in counts.items())


def _times(text: str, count: int) -> str:
    first, *more = text.split("\n")
    return "\n".join([first if count == 1 else f"{first} ({count} times)", *more])
