"""What network environments find wrong with cases as they were written: known without starting or making anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from panther_core.config import ExperimentConfig
from panther_core.config.diagnostics import Findings
from panther_core.metrics import MetricsCollector
from panther_core.plan import PlannedCase, written_networks
from panther_core.registry import Registry
from panther_core.run.compose import network_of, specify
from panther_hookspecs import (
    CommandProcessor,
    ConfigurationException,
    Context,
    Launcher,
    LinkDescriptor,
    Problem,
    TestExecutionError,
)


class _Nobody(Launcher, CommandProcessor):
    """Starts nothing."""

    def start(self, *_asked: object, **_more: object) -> NoReturn:
        """Refuse."""
        raise TestExecutionError("nothing may be started while an experiment is only looked at")

    def execute(self, *_asked: object, **_more: object) -> NoReturn:
        """Refuse."""
        self.start()


def refuse_mistakes(experiment: ExperimentConfig, registry: Registry) -> None:
    """Raise what is wrong with any network of any test case, as errors of the file."""
    findings = Findings()
    for case, view in written_networks(experiment, registry):
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
    try:
        network = network_of(case, context)
        yield from network.mistakes(tuple(specify(case, 1, network).values()))
    except ConfigurationException as error:
        yield Problem(what=str(error))
    except Exception:  # noqa: BLE001 - no mistake of the file: whoever runs the case meets it again and tells it
        return
