"""From a file to typed values: YAML with positions, strict structuring, and errors that name their place."""

from __future__ import annotations

from typing import Any

from panther_core.config.diagnostics import Diagnostic, InvalidConfigurationError
from panther_core.config.loading import load_experiment
from panther_core.config.models import ExperimentConfig, GlobalConfig, TestCaseConfig
from panther_core.config.sections import (
    ExecutionEnvironmentConfig,
    NetworkEnvironmentConfig,
    ObserverConfig,
    ProvisionerConfig,
    ServiceConfig,
    TestTypeConfig,
)
from panther_core.registry import Registry


def experiment_schema(registry: Registry) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of experiment files for the plugins of ``registry``."""
    from panther_core.config import schema  # noqa: PLC0415 - only `panther schema` needs it

    return schema.experiment_schema(registry)


__all__ = [
    "Diagnostic",
    "ExecutionEnvironmentConfig",
    "ExperimentConfig",
    "GlobalConfig",
    "InvalidConfigurationError",
    "NetworkEnvironmentConfig",
    "ObserverConfig",
    "ProvisionerConfig",
    "ServiceConfig",
    "TestCaseConfig",
    "TestTypeConfig",
    "experiment_schema",
    "load_experiment",
]
