"""From a file to typed values: YAML with positions, strict structuring, and errors that name their place."""

from __future__ import annotations

from panther_core.config.diagnostics import Diagnostic, InvalidConfigurationError
from panther_core.config.loading import load_experiment
from panther_core.config.models import (
    ExecutionEnvironmentConfig,
    ExperimentConfig,
    GlobalConfig,
    NetworkEnvironmentConfig,
    ServiceConfig,
    TestCaseConfig,
    TestTypeConfig,
)

__all__ = [
    "Diagnostic",
    "ExecutionEnvironmentConfig",
    "ExperimentConfig",
    "GlobalConfig",
    "InvalidConfigurationError",
    "NetworkEnvironmentConfig",
    "ServiceConfig",
    "TestCaseConfig",
    "TestTypeConfig",
    "load_experiment",
]
