"""What network environments find wrong with cases as they were written: known without starting or making anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NoReturn

from panther_core.metrics import MetricsCollector
from panther_core.plan.cases import PlannedCase
from panther_core.registry import Registry
from panther_core.run.compose import specify
from panther_hookspecs import (
    CommandProcessor,
    Context,
    Launcher,
    LinkDescriptor,
    PantherExperimentError,
    Problem,
    TestExecutionError,
    UnsupportedError,
)

_ENOUGH = 64
"""Cases to look at: what is wrong with a test case is wrong with its first cells."""


class _Nobody(Launcher, CommandProcessor):
    """Starts nothing."""

    def start(self, *_asked: object, **_more: object) -> NoReturn:
        """Refuse."""
        raise TestExecutionError("nothing may be started while an experiment is only looked at")

    def execute(self, *_asked: object, **_more: object) -> NoReturn:
        """Refuse."""
        self.start()


def mistakes(cases: Iterable[PlannedCase], registry: Registry) -> list[str]:
    """Return what is wrong with each test case in each of its networks, by its first cell there; the same only once."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for case in islice(cases, _ENOUGH):
        key = (case.name, case.network.name)
        if key not in seen and not case.unsupported:
            seen.add(key)
            for problem in _of(case, registry):
                found.setdefault(str(problem), case.name)
    return [f"{case}: {problem}" for problem, case in found.items()]


def _of(case: PlannedCase, registry: Registry) -> Iterator[Problem]:
    nobody = _Nobody()
    context = Context(
        run_id="",
        case_id=case.case_id,
        folder=Path("nowhere"),
        seed=case.seed,
        launcher=nobody,
        commands=nobody,
        metrics=MetricsCollector(),
        emit=lambda _event: None,
        note=lambda _line: None,
        links=registry.all(LinkDescriptor),
    )
    network = case.network.factory(context, case.network_options)
    network.descriptor = case.network
    try:
        yield from network.mistakes(tuple(specify(case, 1, network).values()))
    except UnsupportedError:
        return
    except PantherExperimentError as error:
        yield Problem(what=str(error))
