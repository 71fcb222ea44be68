"""Plugins are loaded one by one: what is wrong with one is told, and the others work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from panther_core.plugin_manager import PluginManager, PluginRecord
from panther_core.registry import Registry, UnknownNameError
from panther_hookspecs import (
    PluginValidationError,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    TestTypeDescriptor,
    hookimpl,
)


@attrs.frozen
class Sleep(ServiceManager):
    def plan(self, context: object) -> ServicePlan:
        return ServicePlan(run=ShellCommand("sleep", ("1",)))


def service(name: str) -> ServiceDescriptor:
    return ServiceDescriptor(name=name, summary="sleeps", factory=lambda _options: Sleep())


class Brings:
    def __init__(self, *names: str) -> None:
        self.names = names

    @hookimpl
    def panther_register_services(self) -> Iterator[ServiceDescriptor]:
        yield from map(service, self.names)


def load(*plugins: object) -> PluginManager:
    return PluginManager.load(autoload=False, extra=plugins)


def last(manager: PluginManager) -> PluginRecord:
    return manager.plugins[-1]


def test_the_engine_works_with_no_plugin_installed() -> None:
    manager = load()
    assert [record.status for record in manager.plugins] == ["active"]
    assert "functional" in manager.registry.names(TestTypeDescriptor)
    assert manager.registry.names(ServiceDescriptor) == ()


def test_a_plugin_is_listed_with_what_it_brings_and_implements() -> None:
    manager = load(Brings("sleeper"))
    record = last(manager)
    assert record.status == "active"
    assert record.hooks == ("panther_register_services",)
    assert [each.name for each in record.provides] == ["sleeper"]
    assert manager.registry.get(ServiceDescriptor, "sleeper").provider.plugin == record.name


def test_a_misspelt_hook_is_named_with_what_was_meant() -> None:
    class Typo:
        @hookimpl
        def panther_register_servces(self) -> None: ...

    record = last(load(Typo()))
    assert record.status == "broken"
    assert "did you mean 'panther_register_services'" in record.reason


def test_a_wrong_argument_of_a_hook_makes_the_plugin_broken() -> None:
    class Wrong:
        @hookimpl
        def panther_before_phase(self, nonsense: object) -> None: ...

    record = last(load(Wrong()))
    assert record.status == "broken"
    assert "nonsense" in record.reason


def test_a_plugin_that_raises_while_registering_leaves_nothing_behind() -> None:
    class Raises:
        @hookimpl
        def panther_register_services(self) -> Iterator[ServiceDescriptor]:
            yield service("half")
            raise RuntimeError("no licence")

    manager = load(Raises(), Brings("whole"))
    assert [record.status for record in manager.plugins] == ["active", "broken", "active"]
    assert "no licence" in manager.plugins[1].reason
    assert manager.registry.names(ServiceDescriptor) == ("whole",)


def test_a_plugin_that_raises_on_import_is_listed_with_its_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "panther_explodes_now.py").write_text("import os\nraise SystemError('boom')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    manager = load()
    manager.add_module("service-explodes", "panther_explodes_now", distribution="panther-service-explodes", version="1")
    record = last(manager)
    assert (record.status, record.kind) == ("broken", "service")
    assert "SystemError: boom" in record.reason
    assert "panther_explodes_now.py:2" in record.reason


def test_two_plugins_with_one_name_are_told_apart_by_their_distributions() -> None:
    manager = load(Brings("same"), Brings("same"))
    record = last(manager)
    assert record.status == "broken"
    assert "two plugins bring the service 'same'" in record.reason


def test_a_plugin_for_another_contract_is_incompatible_not_a_crash() -> None:
    module = ModuleType("panther_service_future")
    module.PANTHER_API_VERSION = 99  # type: ignore[attr-defined]
    record = last(load(module))
    assert record.status == "incompatible"
    assert "99" in record.reason


def test_a_hook_wrapper_is_refused_with_the_reason() -> None:
    class Wraps:
        @hookimpl(wrapper=True)
        def panther_before_phase(self) -> Iterator[None]:
            yield

    assert "hook wrapper" in last(load(Wraps())).reason


def test_something_else_than_a_descriptor_is_refused() -> None:
    class Liar:
        @hookimpl
        def panther_register_services(self) -> list[str]:
            return ["sleeper"]

    assert "no descriptor" in last(load(Liar())).reason


def test_an_unknown_name_lists_what_exists_and_what_is_nearest() -> None:
    registry = load(Brings("aioquic", "ngtcp2")).registry
    with pytest.raises(UnknownNameError) as caught:
        registry.get(ServiceDescriptor, "aioquick")
    assert "did you mean 'aioquic'" in str(caught.value)
    assert "ngtcp2" in str(caught.value)


def test_with_nothing_installed_an_unknown_name_says_so() -> None:
    with pytest.raises(UnknownNameError, match="none is installed"):
        Registry().get(ServiceDescriptor, "aioquic")


def test_a_duplicate_in_the_registry_names_both_origins() -> None:
    registry = Registry()
    registry.add(service("same"))
    with pytest.raises(PluginValidationError, match="two plugins bring"):
        registry.add(service("same"))


def test_loading_plugins_imports_no_docker_and_no_plotting() -> None:
    # In a process of its own: another test may have imported them in this one.
    code = (
        "import sys; from panther_core.plugin_manager import PluginManager; PluginManager.load();"
        "print({'python_on_whales', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
