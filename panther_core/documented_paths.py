"""The import paths that the users' documents use, as data, and the finder that makes them importable.

``from panther_core.core.events.base.event_base import BaseEvent`` gives the one BaseEvent that there is. The paths
are older than the layout of this package; the table says where each name lives.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, cast

_H = "panther_hookspecs"
_ENVIRONMENT_EVENTS = (
    "CommandExecutionEvent",
    "EnvironmentSetupEvent",
    "EnvironmentTeardownEvent",
    "MetricsCollectionEvent",
    "MonitoringStartEvent",
    "MonitoringStopEvent",
)
_EXCEPTIONS = (
    "ConfigurationException",
    "DockerComposeException",
    "ExperimentInitializationError",
    "PantherExperimentError",
    "PluginValidationError",
    "ResourceExhaustionException",
    "TestCaseInitializationError",
    "TestExecutionError",
    "TimeoutCascadeException",
)


def _from(module: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, module)


DOCUMENTED: Mapping[str, Mapping[str, str]] = {
    "core.experiment_manager": _from("panther_core.experiment_manager", "ExperimentManager"),
    "core.test_case": _from("panther_core.test_case", "TestCase", "TestCaseState"),
    "core.exceptions": _from(_H, *_EXCEPTIONS),
    "core.command_processor": _from(_H, "CommandProcessor", "CommandResult", "ShellCommand"),
    "core.metrics": _from("panther_core.metrics", "MetricsCollector"),
    "core.events.base.event_base": _from(_H, "BaseEvent", "Event", "create_content_based_uuid"),
    "core.events.base.event_emitter_base": _from(_H, "EntityEventEmitterBase"),
    "core.events.base.state_base": _from(_H, "StateManager"),
    "core.events.event_manager": _from("panther_core.events", "EventManager"),
    "core.events.experiment": _from(_H, "ExperimentEvent"),
    "core.events.test": _from(_H, "TestEvent"),
    "core.events.service": _from(_H, "ServiceDeploymentEvent", "ServiceEvent", "ServiceReadyEvent"),
    "core.events.environment.events": _from(_H, *_ENVIRONMENT_EVENTS),
    "core.observer.base": _from(_H, "IObserver", "Observer"),
    "core.observer.base.observer_interface": _from(_H, "IObserver", "Observer"),
    "core.observer.impl": _from("panther_core.events", "LoggingObserver", "MetricsObserver", "StorageObserver"),
    "config.core.models": _from(
        "panther_core.config",
        "ExecutionEnvironmentConfig",
        "ExperimentConfig",
        "GlobalConfig",
        "NetworkEnvironmentConfig",
        "TestCaseConfig",
    ),
    "plugins.plugin_interface": _from(_H, "IPlugin"),
    "plugins.plugin_loader": _from("panther_core.plugin_loader", "PluginLoader"),
    "plugins.protocols.protocol_interface": _from(_H, "IProtocolPlugin", "TestScenario"),
    "plugins.services.service_interface": _from(_H, "IServicePlugin", "ServiceManager"),
    "plugins.environments.environment_interface": _from(_H, "EnvironmentInterface"),
    "plugins.environments.execution_environment.execution_environment_interface": _from(
        _H, "ExecutionEnvironmentInterface"
    ),
    "plugins.environments.network_environment.base_network_environment": _from(_H, "BaseNetworkEnvironment"),
    "plugins.environments.network_environment.network_environment_interface": _from(_H, "NetworkEnvironmentInterface"),
}
"""Documented module (below ``panther_core``) -> name -> module in which the name really lives."""

_PARENTS = frozenset(path.rsplit(".", count)[0] for path in DOCUMENTED for count in range(1, path.count(".") + 1))


class _Finder:
    """Finds the documented modules that do not exist as files; their names are looked up when they are used.

    Not derived from the classes of importlib.abc, whose import costs more than the rest of `panther --help`.
    """

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> importlib.machinery.ModuleSpec | None:
        """Return a spec for a documented path that is no real module."""
        below = fullname.removeprefix("panther_core.")
        if below == fullname or (below not in DOCUMENTED and below not in _PARENTS):
            return None
        return importlib.machinery.ModuleSpec(fullname, cast(Any, self), is_package=below in _PARENTS)

    def create_module(self, _spec: importlib.machinery.ModuleSpec, /) -> ModuleType | None:
        """Let the import system make an ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its names, each imported when it is asked for."""
        names = DOCUMENTED.get(module.__name__.removeprefix("panther_core."), {})

        def lookup(name: str) -> Any:
            if name not in names:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            return getattr(importlib.import_module(names[name]), name)

        module.__dict__.update(__getattr__=lookup, __all__=sorted(names))


def install() -> None:
    """Make the documented paths importable; files that really exist go first."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
