"""Loads one plugin by kind and name, for programs that use it without an experiment."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any, Self

from panther_core.capture import recorder
from panther_core.events import EventManager
from panther_core.metrics import MetricsCollector
from panther_core.plugin_manager import PluginManager
from panther_core.process import Supervisor
from panther_core.registry import UnknownNameError
from panther_hookspecs import (
    Context,
    Descriptor,
    EnvironmentInterface,
    ExecutionEnvironmentDescriptor,
    IPlugin,
    LinkDescriptor,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    ServiceDescriptor,
    TestTypeDescriptor,
)

_KINDS: dict[tuple[str, str], type[Descriptor]] = {
    ("environments", "execution_environment"): ExecutionEnvironmentDescriptor,
    ("environments", "network_environment"): NetworkEnvironmentDescriptor,
    ("protocols", ""): ProtocolDescriptor,
    ("services", ""): ServiceDescriptor,
    ("test_types", ""): TestTypeDescriptor,
}


class PluginLoader:
    """Hands out plugins that work alone: with a folder, a launcher and a bus of their own."""

    def __init__(
        self, plugins: PluginManager | None = None, events: EventManager | None = None, folder: Path | None = None
    ) -> None:
        """Use these plugins (all installed ones if left out), this bus, and this folder for what they write."""
        self.plugins = plugins or PluginManager.load()
        self.events = events or EventManager()
        self.metrics = MetricsCollector()
        self._stack = contextlib.ExitStack()
        self._folder = folder
        self._supervisor: Supervisor | None = None

    def load_plugin(self, kind: str, sub: str, name: str) -> Any:
        """Return the plugin: an environment ready to use, or the descriptor of anything else.

        ``kind`` and ``sub`` are ``environments`` and ``execution_environment`` or ``network_environment``, or
        ``protocols``, ``services`` or ``test_types`` (``sub`` may then name the protocol).
        """
        descriptor_type = _KINDS.get((kind, sub)) or _KINDS.get((kind, ""))
        if descriptor_type is None:
            raise UnknownNameError(
                "plugin kind", "/".join(filter(None, (kind, sub))), ["/".join(filter(None, each)) for each in _KINDS]
            )
        descriptor: IPlugin = self.plugins.registry.get(descriptor_type, name)
        if isinstance(descriptor, (ExecutionEnvironmentDescriptor, NetworkEnvironmentDescriptor)):
            return self._environment(descriptor)
        return descriptor

    def _environment(
        self, descriptor: ExecutionEnvironmentDescriptor | NetworkEnvironmentDescriptor
    ) -> EnvironmentInterface:
        if self._supervisor is None:
            self._supervisor = self._stack.enter_context(Supervisor.start(run_id=f"loader-{id(self):x}"))
        base = self._folder or Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="panther-")))
        folder = base / descriptor.name
        folder.mkdir(parents=True, exist_ok=True)
        context = Context(
            run_id=f"loader-{id(self):x}",
            case_id="alone",
            folder=folder,
            seed=0,
            launcher=self._supervisor.launcher,
            commands=self._supervisor.commands,
            metrics=self.metrics,
            emit=self.events.emit,
            note=lambda _text: None,
            links=self.plugins.registry.all(LinkDescriptor),
            recorder=recorder,
        )
        environment = descriptor.factory(context, descriptor.options())
        environment.descriptor = descriptor
        return environment

    def close(self) -> None:
        """End everything that the loaded plugins have started."""
        self._stack.close()

    def __enter__(self) -> Self:
        """Enter the loader."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End everything that the loaded plugins have started."""
        self.close()
