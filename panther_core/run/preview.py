"""The commands of a case as they would be run, without running any: the same steps as an attempt, up to the start."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_core.plan.cases import PlannedCase
from panther_core.run.compose import compose, instrument, network_of, specify
from panther_core.run.engine import Engine
from panther_core.run.placeholders import fill_command
from panther_hookspecs import ConfigurationException, ShellCommand

_PREPARING = ("pre_compile", "compile", "post_compile", "pre_run")
RUN = "RUN"
"""Stands for the run directory, which a preview does not make."""


def preview(case: PlannedCase, engine: Engine) -> Iterator[tuple[str, str, str]]:
    """Yield service, phase and command line of everything the case would run, in its order.

    Raises what the attempt would fail with before it starts anything: a missing tool, an instrument that cannot watch.
    """
    engine.require(case)
    with tempfile.TemporaryDirectory(prefix="panther-preview-") as name, contextlib.ExitStack() as stack:
        folder = Path(name) / "cases" / case.case_id / "1"
        context = engine.context(case.case_id, folder / "network", case.seed, lambda _note: None)
        network = network_of(case, context)
        stack.callback(network.teardown_environment)
        specs = specify(case, 1, network)
        for problem in network.mistakes(tuple(specs.values())):
            raise ConfigurationException(str(problem))
        prepared = compose(case, specs, network, folder, engine, engine.builds.planned)
        instrument(case, prepared, folder, engine, lambda _note: None)
        for service, one in prepared.items():
            whole = one.launch.command
            run = attrs.evolve(whole.program, command=whole.argv[0], args=whole.argv[1:])
            for phase in _PREPARING:
                for command in getattr(one.plan, phase):
                    yield service, phase, _shown(fill_command(command, one.known, phase), name)
            yield service, "run", _shown(run, name)
            for command in one.plan.post_run:
                yield service, "post_run", _shown(fill_command(command, one.known, "post_run"), name)


def _shown(command: ShellCommand, folder: str) -> str:
    return attrs.evolve(command, working_dir=None).to_string().replace(folder, RUN)
