"""Test types: the stages that a test case goes through while its services run."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.commands import CommandResult, Process, ShellCommand
from panther_hookspecs.errors import TestExecutionError
from panther_hookspecs.events import BaseEvent
from panther_hookspecs.impairments import LinkChange
from panther_hookspecs.networks import Endpoint
from panther_hookspecs.plugins import Descriptor
from panther_hookspecs.values import ExitStatus, Finding, Measurement, Problem, Verdict

_STATUS_WORDS = {
    **{each.value: each for each in Verdict},
    **dict.fromkeys(("success", "successful", "ok", "passed"), Verdict.PASS),
    **dict.fromkeys(("failure", "failed"), Verdict.FAIL),
    "incomplete": Verdict.INCONCLUSIVE,
}


@attrs.frozen(kw_only=True)
class StageResult:
    """How a stage went. Anything but PASS ends the stages, after the ones marked ``always``."""

    status: Verdict = Verdict.PASS
    error: str = ""
    values: Mapping[str, Any] = attrs.field(factory=dict)
    """Handed to later stages under the stage's name."""

    @classmethod
    def of(cls, returned: object) -> StageResult:
        """Return what a stage returned as a result.

        None means that all is well. A mapping has a ``status`` (a verdict, or ``success`` or ``failed``), perhaps
        an ``error``, and values. Anything else is an error: a stage that returns False must not count as passed.
        """
        if isinstance(returned, StageResult):
            return returned
        if returned is None:
            return cls()
        if not isinstance(returned, Mapping):
            return cls(status=Verdict.ERROR, error=f"it returned {returned!r}, not a result, a mapping or None")
        values = {str(key): value for key, value in returned.items()}
        if "status" not in values:
            return cls(status=Verdict.ERROR, error=f"its result has no status, only {', '.join(values) or 'nothing'}")
        word = values["status"]
        status = word if isinstance(word, Verdict) else _STATUS_WORDS.get(str(word).lower())
        if status is None:
            known = ", ".join(sorted(_STATUS_WORDS))
            return cls(status=Verdict.ERROR, error=f"it returned the status {word!r}; known are {known}", values=values)
        told = values.get("error") or values.get("message") or ("" if status is Verdict.PASS else f"status {word!r}")
        return cls(status=status, error=str(told), values=values)


class CaseControl(abc.ABC):
    """What a stage can do to the running case."""

    folder: Path
    seed: int
    options: Any
    """The options of the test type."""
    values: Mapping[str, Mapping[str, Any]]
    """Results of the stages before, by stage name."""

    @property
    @abc.abstractmethod
    def services(self) -> Sequence[str]:
        """Names of the services in the order in which they were started."""

    @property
    def ending(self) -> Sequence[str]:
        """Names of the services that end by themselves: clients, testers."""
        return ()

    def endpoint(self, service: str) -> Endpoint:
        """Return where a service is found."""
        raise TestExecutionError(f"nobody knows where {service} is found")

    def folder_of(self, service: str) -> Path:
        """Return the folder into which a service writes, as PANTHER sees it."""
        return self.folder / "services" / service

    @abc.abstractmethod
    def process(self, service: str) -> Process:
        """Return the running (or ended) process of a service."""

    @abc.abstractmethod
    def wait(self, services: Sequence[str] | None = None) -> Mapping[str, ExitStatus]:
        """Wait for services to end by themselves, by default all that do; TimeoutError when the case's time is over."""

    @abc.abstractmethod
    def restart(self, service: str) -> None:
        """Start a service again that has ended, and wait until it is ready."""

    @abc.abstractmethod
    def execute(self, service: str, command: ShellCommand) -> CommandResult:
        """Run a command to its end where the service runs."""

    def change_link(self, link: str, change: LinkChange) -> float:
        """Change a link, ``a-b`` or ``a->b`` or ``*``; return the monotonic time at which it took effect.

        The test type has to announce it with ``changes_links``.
        """
        raise TestExecutionError(f"the link {link} cannot be changed here")

    def watch_machine(self) -> Callable[[], Mapping[str, float]]:
        """Begin to look at the machine; return what tells, when it is called, how busy the machine was since then.

        The numbers are those of ``machine`` in a result: ``steal``, ``cpu_pressure``, ... as shares of that time. What
        the kernel does not count is missing.
        """
        return dict

    @abc.abstractmethod
    def remaining(self) -> float:
        """Return the seconds that are left of the case's time."""

    @abc.abstractmethod
    def measure(self, measurement: Measurement) -> None:
        """Add a measurement to the result of the case."""

    @abc.abstractmethod
    def find(self, finding: Finding) -> None:
        """Add a finding to the result of the case."""

    @abc.abstractmethod
    def emit(self, event: BaseEvent) -> None:
        """Tell all observers that something happened."""


MOMENTS = ("before", "during", "after")
"""When a stage can run."""


@attrs.frozen
class Stage:
    """One named step of a test type.

    The function gets the running case, and says how it went: a :class:`StageResult`, a mapping with a ``status``,
    or None if all is well. What it raises is kept as the error of this stage.
    """

    name: str
    run: Callable[[Any], object]
    always: bool = attrs.field(default=False, kw_only=True)
    """Run it even if a stage before went wrong: for cleaning up."""
    moment: str = attrs.field(default="during", kw_only=True, validator=attrs.validators.in_(MOMENTS))
    """``before`` network and services exist, ``during`` their run, or ``after`` they were stopped and before evidence
    is collected. The last kind always runs."""
    passive: bool = attrs.field(default=False, kw_only=True)
    """Whether it leaves running services alone and waits for no others than those that end by themselves. Only such
    stages can be ``during`` a case that its network environment carries out as a whole (``batch``)."""
    timeout: float | None = attrs.field(default=None, kw_only=True)
    """Longest time in seconds; the case's own time if left out."""

    def execute(self, given: Any) -> StageResult:
        """Run the function on ``given`` and return its result. An exception becomes a result, a TimeoutError too."""
        try:
            return StageResult.of(self.run(given))
        except TimeoutError as error:
            return StageResult(status=Verdict.FAIL, error=str(error) or "it took too long")
        except Exception as error:  # noqa: BLE001 - becomes the result of this stage, and no other stage suffers
            return StageResult(status=Verdict.ERROR, error=f"{type(error).__name__}: {error}")


@attrs.frozen(kw_only=True)
class CaseOutline:
    """A planned case as its test type sees it: enough to say before the run what cannot be done."""

    options: Any
    """The options of the test type."""
    stages: tuple[str, ...] = ()
    services: Mapping[str, str] = attrs.field(factory=dict)
    """Implementation of every service by its name."""
    network_environment: str = ""
    capabilities: frozenset[str] = frozenset()
    """What the network environment can do, link mechanisms included."""
    protocol: str = ""
    links: tuple[str, ...] = ()
    capture: bool = False


@attrs.frozen(kw_only=True)
class TestTypeDescriptor(Descriptor):
    """Announces a test type."""

    __test__: ClassVar[bool] = False
    KIND: ClassVar[str] = "test_type"

    stages: tuple[Stage, ...]
    more: tuple[Stage, ...] = ()
    """Further stages, which run only where an experiment names them in ``stages``."""
    changes_links: Callable[[Any], bool] = lambda _options: False
    """Whether with these options a stage calls ``change_link``: the network is then one whose links can be changed."""
    exclusive: bool = False
    """Whether its cases need the machine for themselves."""
    refuse: Callable[[CaseOutline], Iterable[Problem]] | None = None
    """Yields what keeps it from doing what its options ask for, before anything starts."""


EARLIER_RUN = "run-{number}"
"""Folder in that of a service into which a stage moves what an earlier run has written, before it starts it again."""


def last_run_began(folder: Path) -> float | None:
    """Return when the run began whose files lie in a service's folder itself; None if there was only one run.

    Who judges by what was recorded meanwhile, packets for example, leaves out what is older. Seconds since the epoch.
    """
    moments = [each.stat().st_mtime for each in folder.glob(EARLIER_RUN.format(number="*")) if each.is_dir()]
    return max(moments, default=None)
