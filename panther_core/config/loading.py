"""From a file to a checked experiment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from panther_core.config.document import load_document
from panther_core.config.models import ExperimentConfig
from panther_core.config.overrides import apply_overrides, put_provisioners
from panther_core.registry import Registry


def load_experiment(
    path: Path | str,
    registry: Registry,
    *,
    sets: Iterable[str] = (),
    provisioners: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> ExperimentConfig:
    """Load an experiment file and check all of it; InvalidConfigurationError lists every error with its place.

    ``sets`` are overrides from the command line, each ``path.to.key=value``, ``provisioners`` what it says instead of
    those of the file, each ``name key=value ...``. Relative paths in the file count from ``folder``, or from the file's
    own folder.
    """
    from panther_core.plan.experiment import checked_experiment  # noqa: PLC0415 - planning is made of these models

    tree = apply_overrides(load_document(path, environ=environ, folder=folder), sets, environ=environ)
    return checked_experiment(put_provisioners(tree, provisioners, environ=environ), registry)
