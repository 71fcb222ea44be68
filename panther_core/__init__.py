"""PANTHER: pytest for network-protocol experiments. The public names, each imported when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from panther_core import documented_paths

if TYPE_CHECKING:
    from panther_core.app import Panther, RunOptions, RunSummary
    from panther_core.config import ExperimentConfig, GlobalConfig, TestCaseConfig, load_experiment
    from panther_core.events import EventManager
    from panther_core.experiment_manager import ExperimentManager
    from panther_core.metrics import MetricsCollector
    from panther_core.plugin_loader import PluginLoader
    from panther_core.plugin_manager import PluginManager
    from panther_core.pool.orchestrator import Orchestrator
    from panther_core.test_case import TestCase, TestCaseState

_HOME = {
    "EventManager": "panther_core.events",
    "ExperimentConfig": "panther_core.config",
    "ExperimentManager": "panther_core.experiment_manager",
    "GlobalConfig": "panther_core.config",
    "MetricsCollector": "panther_core.metrics",
    "Orchestrator": "panther_core.pool.orchestrator",
    "Panther": "panther_core.app",
    "PluginLoader": "panther_core.plugin_loader",
    "PluginManager": "panther_core.plugin_manager",
    "RunOptions": "panther_core.app",
    "RunSummary": "panther_core.app",
    "TestCase": "panther_core.test_case",
    "TestCaseConfig": "panther_core.config",
    "TestCaseState": "panther_core.test_case",
    "load_experiment": "panther_core.config",
}

__all__ = [
    "EventManager",
    "ExperimentConfig",
    "ExperimentManager",
    "GlobalConfig",
    "MetricsCollector",
    "Orchestrator",
    "Panther",
    "PluginLoader",
    "PluginManager",
    "RunOptions",
    "RunSummary",
    "TestCase",
    "TestCaseConfig",
    "TestCaseState",
    "load_experiment",
]

documented_paths.install()


def __getattr__(name: str) -> Any:
    """Import a public name when it is used: the console must not pay for what a command does not need."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
