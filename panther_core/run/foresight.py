"""What network environments find wrong with cases as they were written: known without starting or making anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NoReturn

from panther_core.config import ExperimentConfig
from panther_core.config.diagnostics import Findings
from panther_core.metrics import MetricsCollector
from panther_core.plan import PlannedCase, written_cases
from panther_core.registry import Registry
from panther_core.run.compose import network_of, specify
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


def refuse_mistakes(experiment: ExperimentConfig, registry: Registry) -> None:
    """Raise what is wrong with any test case in any of its networks, by its first cell there, as a file's errors."""
    findings = Findings()
    seen: set[tuple[str, str]] = set()
    for case, view in islice(written_cases(experiment, registry), _ENOUGH):
        key = (case.name, case.network.name)
        if key in seen or case.unsupported:
            continue
        seen.add(key)
        for problem in _of(case, registry):
            section, _, below = problem.where.partition(".")
            findings.add_problem(view.get(section) or view.template.node, problem, below)
    findings.raise_if_any()


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
    network = network_of(case, context)
    try:
        yield from network.mistakes(tuple(specify(case, 1, network).values()))
    except UnsupportedError:
        return
    except PantherExperimentError as error:
        yield Problem(what=str(error))
