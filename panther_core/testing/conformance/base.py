"""What every plugin must keep, of whatever kind."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterable, Mapping
from importlib import metadata
from os import geteuid
from types import ModuleType
from typing import Any, ClassVar, TypeVar

import attrs
import pluggy
import pytest

from panther_hookspecs import PROJECT, SPECIFICATIONS, Descriptor, Need, RegisterSpecs

DescriptorT = TypeVar("DescriptorT", bound=Descriptor)

HEAVY = frozenset(
    {
        "aiohttp",
        "asyncio",
        "cattrs",
        "cryptography",
        "docker",
        "http.client",
        "jinja2",
        "matplotlib",
        "multiprocessing",
        "numpy",
        "pandas",
        "paramiko",
        "pydantic",
        "pytest",
        "python_on_whales",
        "requests",
        "rich",
        "ruamel",
        "scapy",
        "scipy",
        "sqlite3",
        "ssl",
        "unittest",
        "urllib.request",
        "urllib3",
        "xml.etree",
        "yaml",
    }
)
"""Modules that take longer to import than a plugin may cost everybody at every start."""

_REGISTER_HOOKS = tuple(name for name in vars(RegisterSpecs) if name.startswith("panther_"))


def relay() -> pluggy.PluginManager:
    """Return a hook relay with every specification of the contract and no plugin."""
    manager = pluggy.PluginManager(PROJECT)
    for specification in SPECIFICATIONS:
        manager.add_hookspecs(specification)
    return manager


def registered(plugin: object) -> list[Descriptor]:
    """Return every descriptor that ``plugin`` registers."""
    manager = relay()
    manager.register(plugin)
    return [descriptor for hook in _REGISTER_HOOKS for found in getattr(manager.hook, hook)() for descriptor in found]


def unmet(needs: Iterable[Need]) -> list[str]:
    """Return what this machine lacks of ``needs``, as far as it can be seen without trying."""
    missing = []
    for need in needs:
        absent = {
            "tool": shutil.which(need.name) is None,
            "root": geteuid() != 0,
            "linux": sys.platform != "linux",
            "python": need.kind == "python" and importlib.util.find_spec(need.name) is None,
        }.get(need.kind, False)
        if absent:
            missing.append(f"{need.kind} {need.name}" + (f" (package {need.package})" if need.package else ""))
    return missing


def assert_documented(options: type[Any], where: str) -> None:
    """Assert that ``options`` is an attrs class whose every field has a help text and a type known at run time."""
    assert attrs.has(options), f"{where}: {options!r} must be an attrs class"
    hints = typing.get_type_hints(options)
    for field in attrs.fields(options):
        assert str(field.metadata.get("help", "")).strip(), (
            f"{where}.{field.name} needs a help text: use option(..., help=...)"
        )
        assert field.name in hints, f"{where}.{field.name} needs a type"


class PluginConformance:
    """The tests that every plugin passes. Subclass the suite of your kind instead, which has these tests too."""

    __test__ = False

    plugin: ClassVar[str]
    """Name of the plugin module, the value of the entry point: ``panther_service_echo.plugin``."""
    name: ClassVar[str] = ""
    """Name of the capability under test; may be left out where the plugin brings one of its kind."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options with which the capability is tested, on top of its defaults."""
    heavy: ClassVar[frozenset[str]] = HEAVY
    """Modules that importing the plugin must not import."""
    descriptor_class: ClassVar[type[Descriptor]] = Descriptor
    """The kind of the suite."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let pytest collect a subclass as soon as it names its plugin."""
        super().__init_subclass__(**kwargs)
        cls.__test__ = isinstance(getattr(cls, "plugin", None), str)

    def module(self) -> ModuleType:
        """Import and return the plugin module."""
        return importlib.import_module(self.plugin)

    def package(self) -> str:
        """Return the name of the plugin's import package."""
        return self.plugin.partition(".")[0]

    def found(self, kind: type[DescriptorT]) -> DescriptorT:
        """Return the descriptor under test, which must be one of ``kind``."""
        every = [each for each in registered(self.module()) if isinstance(each, kind)]
        named = [each for each in every if self.name in ("", each.name)]
        names = ", ".join(each.name for each in every) or "none"
        assert len(named) == 1, f"{self.plugin} brings of kind {kind.KIND}: {names}; say which one with `name`"
        return named[0]

    def made_options(self) -> Any:
        """Return the options value of the capability under test."""
        return self.found(self.descriptor_class).options(**self.options)

    def require(self, descriptor: Descriptor) -> None:
        """Skip the test if this machine lacks what the plugin declares to need."""
        missing = unmet(descriptor.needs)
        if missing:
            pytest.skip(f"needs {', '.join(missing)}")

    def test_one_entry_point_by_the_law_of_names(self) -> None:
        """Folder, distribution, import package and entry point are one name."""
        package = self.package()
        entry = package.removeprefix("panther_").replace("_", "-")
        own = [each for each in metadata.entry_points(group=PROJECT) if each.value.partition(".")[0] == package]
        assert own, f"no installed distribution has an entry point for {package}: is it installed (pip install -e .)?"
        assert len(own) == 1, f"{package} must have exactly one entry point in the group {PROJECT!r}, it has {own}"
        assert _normal(own[0].name) == entry, f"the entry point is called {own[0].name!r}, by the law it is {entry!r}"
        assert own[0].value == self.plugin, f"the entry point's value is {own[0].value!r}, tested is {self.plugin!r}"
        assert own[0].dist is not None, f"{own[0]} belongs to no distribution"
        assert _normal(own[0].dist.name) == _normal(package), (
            f"{package} is in {own[0].dist.name!r}, not in {_normal(package)!r}"
        )

    def test_importing_it_is_light(self) -> None:
        """Importing the plugin module imports nothing heavy: it happens at every start, for everybody."""
        added = _imported(self.plugin) - _imported_by_the_contract()
        loaded = sorted(
            name for name in self.heavy if any(each == name or each.startswith(f"{name}.") for each in added)
        )
        assert not loaded, (
            f"importing {self.plugin} imports {', '.join(loaded)}: import them in the function that needs them"
        )

    def test_it_imports_the_contract_and_not_the_engine(self) -> None:
        """A plugin works with any engine that keeps the contract."""
        assert "panther_core" not in _imported(self.plugin), (
            f"{self.plugin} imports panther_core; import panther_hookspecs only"
        )

    def test_hook_implementations_match_the_specifications(self) -> None:
        """Every hook is known, takes only known arguments, and carries its decorator."""
        module = self.module()
        manager = relay()
        manager.register(module)
        manager.check_pending()
        names = [each.name for each in manager.get_hookcallers(module) or []]
        assert names, f"{self.plugin} implements no hook"
        bare = [
            name
            for name in dir(module)
            if name.startswith("panther_")
            and callable(getattr(module, name))
            and not hasattr(getattr(module, name), f"{PROJECT}_impl")
        ]
        assert not bare, f"{', '.join(bare)} in {self.plugin} lack the decorator @hookimpl"

    def test_descriptors_are_well_formed(self) -> None:
        """From descriptors alone come the lists, the schema and the messages."""
        found = registered(self.module())
        names = [(each.KIND, each.name) for each in found]
        assert len(set(names)) == len(names), f"a name is registered twice: {names}"
        for each in found:
            assert isinstance(each, Descriptor), f"{each!r} is no descriptor"
            summary = each.summary
            assert summary.strip() == summary != "", (
                f"the summary of {each.name} must be one line of text, got {summary!r}"
            )
            assert summary.isprintable(), (
                f"the summary of {each.name} has a line break or control character: {summary!r}"
            )
            assert_documented(each.options, f"the options of {each.name}")

    def test_registering_twice_gives_the_same(self) -> None:
        """Register hooks announce; they do not count, look around or remember."""
        first, second = ([(each.KIND, each.name, each.summary) for each in registered(self.module())] for _ in range(2))
        assert first == second, "the second call of the register hooks gave something else than the first"

    def test_it_can_be_taken_away_again(self) -> None:
        """Registering and unregistering leave a manager as it was."""
        manager = relay()
        before = _implementations(manager)
        manager.register(self.module())
        assert _implementations(manager) != before, f"{self.plugin} implements no hook"
        manager.unregister(self.module())
        assert _implementations(manager) == before, f"{self.plugin} leaves something in the manager"

    def test_its_options_have_defaults_or_are_given(self) -> None:
        """The options under test can be made, and their descriptor accepts them."""
        if self.descriptor_class is Descriptor:
            return
        descriptor = self.found(self.descriptor_class)
        assert descriptor.validate_configuration(dict(self.options)), (
            f"{descriptor.name} does not accept {dict(self.options)}"
        )
        assert not descriptor.validate_configuration({"no such option": 1}), (
            f"{descriptor.name} accepts unknown options"
        )


@functools.cache
def _imported_by_the_contract() -> frozenset[str]:
    """Return the modules that every plugin has loaded anyway; they are the same for all."""
    return _imported("panther_hookspecs")


def _imported(module: str) -> frozenset[str]:
    """Return the modules that importing ``module`` in a fresh interpreter leaves behind."""
    program = (
        f"import sys, json, importlib; importlib.import_module({module!r}); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"importing {module} in a fresh interpreter failed:\n{done.stderr}"
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def _implementations(manager: pluggy.PluginManager) -> dict[str, int]:
    names = [name for each in SPECIFICATIONS for name in vars(each) if name.startswith("panther_")]
    return {name: len(getattr(manager.hook, name).get_hookimpls()) for name in names}


def _normal(name: str) -> str:
    """Return a distribution's name in the form in which equal names are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()
