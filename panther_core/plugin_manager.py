"""Finds, loads and describes plugins: each on its own, in a defined order, so that a broken one breaks nothing else."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import Any

import attrs
import pluggy

from panther_core.hooks import Hooks
from panther_core.registry import Registry
from panther_hookspecs import (
    API_VERSION,
    PROJECT,
    SPECIFICATIONS,
    Descriptor,
    PantherExperimentError,
    Provider,
    RegisterSpecs,
)

_REGISTER = "panther_register_"
KINDS = tuple(name.removeprefix(_REGISTER) for name in vars(RegisterSpecs) if name.startswith(_REGISTER))
"""What plugins can be asked for, as the register hooks are called: ``commands``, ``services``, ..."""


@attrs.frozen(kw_only=True)
class PluginRecord:
    """What is known about one plugin, for `panther plugins`."""

    name: str
    kind: str = ""
    distribution: str = ""
    version: str = ""
    status: str = "active"
    """``active``, ``broken``, ``blocked`` or ``incompatible``."""
    reason: str = ""
    hooks: tuple[str, ...] = ()
    provides: tuple[Descriptor, ...] = ()
    file: str = ""


@attrs.define
class PluginManager:
    """The plugins of one PANTHER. There may be many in one process; nothing here is global."""

    registry: Registry = attrs.field(factory=Registry)
    plugins: tuple[PluginRecord, ...] = ()
    kinds: tuple[str, ...] = KINDS
    """The kinds of capabilities that plugins are asked for."""
    _pluggy: pluggy.PluginManager = attrs.field(init=False)
    hooks: Hooks = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the hook relay with every specification of the contract."""
        self._pluggy = pluggy.PluginManager(PROJECT)
        for specification in SPECIFICATIONS:
            self._pluggy.add_hookspecs(specification)
        self.hooks = Hooks(self._pluggy, self.describe)

    @classmethod
    def load(
        cls,
        *,
        block: Iterable[str] = (),
        only: Iterable[str] | None = None,
        autoload: bool = True,
        extra: Sequence[object] = (),
        kinds: tuple[str, ...] = KINDS,
    ) -> PluginManager:
        """Load the built-in plugin, the installed ones and ``extra`` objects.

        ``block`` and ``only`` name entry points. Extra objects are modules or objects with hook
        implementations that are not installed, such as the ones of a test. Where only some ``kinds``
        of capabilities are wanted, such as ``commands``, a plugin that brings none of them is not imported.
        """
        manager = cls(kinds=kinds)
        manager.add_module("builtin", "panther_core.builtin", distribution="panther-pluggy")
        if autoload:
            manager.add_installed(frozenset(block), None if only is None else frozenset(only))
        for plugin in extra:
            manager.add(plugin)
        return manager

    def add_installed(self, block: frozenset[str], only: frozenset[str] | None) -> None:
        """Load what installed distributions announce in the entry-point group, sorted by name."""
        found = sorted(metadata.entry_points(group=PROJECT), key=lambda entry: entry.name)
        for entry in found:
            origin = entry.dist
            distribution, version = (origin.name, origin.version) if origin else ("", "")
            if entry.name in block or (only is not None and entry.name not in only):
                reason = "blocked by the user"
            elif self.kinds != KINDS and not _may_bring(entry.module, self.kinds):
                reason = f"brings none of: {', '.join(self.kinds)}"
            else:
                self.add_module(entry.name, entry.value, distribution=distribution, version=version)
                continue
            self._record(
                PluginRecord(
                    name=entry.name,
                    kind=_kind(entry.name),
                    status="blocked",
                    reason=reason,
                    distribution=distribution,
                    version=version,
                )
            )

    def add_module(self, name: str, module: str, *, distribution: str = "", version: str = "") -> None:
        """Import and add one plugin; whatever goes wrong is kept in its record."""
        record = PluginRecord(
            name=name, kind=_kind(name), distribution=distribution, version=version or _version(distribution)
        )
        try:
            plugin = importlib.import_module(module.partition(":")[0])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin raises on import is its own failure
            self._record(attrs.evolve(record, status="broken", reason=_short(error)))
            return
        self._add(plugin, attrs.evolve(record, file=getattr(plugin, "__file__", "") or ""))

    def add(self, plugin: object, *, name: str = "") -> None:
        """Add a plugin that is an object in memory."""
        own = name or getattr(plugin, "__name__", type(plugin).__name__)
        same = sum(record.name.partition("#")[0] == own for record in self.plugins)
        own = f"{own}#{same + 1}" if same else own
        self._add(plugin, PluginRecord(name=own, kind=_kind(own), file=getattr(plugin, "__file__", "") or ""))

    def _add(self, plugin: object, record: PluginRecord) -> None:
        needs = getattr(plugin, "PANTHER_API_VERSION", API_VERSION)
        if needs != API_VERSION:
            self._record(
                attrs.evolve(
                    record, status="incompatible", reason=f"made for contract {needs}, this is contract {API_VERSION}"
                )
            )
            return
        try:
            self._pluggy.register(plugin, name=record.name)
            self.hooks.forget()
            _refuse_wrappers(plugin, self._pluggy)
            self._refuse_misspelt(plugin)
            provides = self._collect(plugin, record)
        except Exception as error:  # noqa: BLE001 - kept in the record; the other plugins work
            if self._pluggy.is_registered(plugin):
                self._pluggy.unregister(plugin)
                self.hooks.forget()
            self._record(attrs.evolve(record, status="broken", reason=_short(error)))
            return
        callers = self._pluggy.get_hookcallers(plugin) or []
        self._record(attrs.evolve(record, provides=provides, hooks=tuple(sorted(each.name for each in callers))))

    def _collect(self, plugin: object, record: PluginRecord) -> tuple[Descriptor, ...]:
        """Ask every register hook of the plugin; add all descriptors or none."""
        provider = Provider(plugin=record.name, distribution=record.distribution, version=record.version)
        found: list[Descriptor] = []
        for kind in self.kinds:
            for descriptor in self.hooks.registered(kind, plugin):
                if not isinstance(descriptor, Descriptor):
                    raise TypeError(f"panther_register_{kind} gave {descriptor!r}, which is no descriptor")
                found.append(attrs.evolve(descriptor, provider=provider))
        trial = Registry()
        for descriptor in (*self.registry, *found):
            trial.add(descriptor)
        for descriptor in found:
            self.registry.add(descriptor)
        return tuple(found)

    def _refuse_misspelt(self, plugin: object) -> None:
        """Raise for hook implementations that no specification knows, with what was probably meant."""
        known = [name for each in SPECIFICATIONS for name in vars(each) if name.startswith("panther_")]
        for name in dir(plugin):
            if name.startswith("panther_") and name not in known and _is_hookimpl(getattr(plugin, name)):
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" - did you mean {near[0]!r}?" if near else ""
                raise PantherExperimentError(f"unknown hook {name!r}{hint}")

    def describe(self, name: str) -> str:
        """Return a plugin's name with its version, as messages show it."""
        record = next((each for each in self.plugins if each.name == name), None)
        return f"{name} {record.version}".strip() if record else name

    def monitor(self, before: Callable[..., None], after: Callable[..., None]) -> Callable[[], None]:
        """Watch every call that goes through the relay, as pluggy's monitoring does; returns what ends it."""
        return self._pluggy.add_hookcall_monitoring(before, after)

    def callers(self) -> dict[str, tuple[str, ...]]:
        """Return the plugins that implement each hook, in the order in which they are called."""
        names = [name for each in SPECIFICATIONS for name in vars(each) if name.startswith("panther_")]
        return {
            name: tuple(impl.plugin_name for impl in reversed(getattr(self._pluggy.hook, name).get_hookimpls()))
            for name in names
        }

    def _record(self, record: PluginRecord) -> None:
        self.plugins = (*self.plugins, record)


def _may_bring(module: str, kinds: Iterable[str]) -> bool:
    """Return whether ``module`` may implement a register hook of ``kinds``; its compiled code names what it defines."""
    try:
        spec = importlib.util.find_spec(module)
        loader: Any = spec.loader if spec else None
        code = loader.get_code(module)
    except Exception:  # noqa: BLE001 - importing the plugin in earnest will tell what is wrong
        code = None
    if code is None or ("*",) in code.co_consts:  # nothing to look at, or it takes over all names of another module
        return True
    return any(f"{_REGISTER}{kind}" in code.co_names for kind in kinds)


def _refuse_wrappers(plugin: object, manager: pluggy.PluginManager) -> None:
    """Raise for hook wrappers: each plugin is called alone, so there is nothing that one could wrap."""
    for caller in manager.get_hookcallers(plugin) or []:
        for impl in caller.get_hookimpls():
            if impl.plugin is plugin and (impl.wrapper or impl.hookwrapper):
                raise PantherExperimentError(
                    f"{caller.name} is a hook wrapper, which PANTHER does not call; "
                    "implement the before and after hooks instead"
                )


def _is_hookimpl(value: Any) -> bool:
    return getattr(value, f"{PROJECT}_impl", None) is not None


def _kind(name: str) -> str:
    return name.partition("-")[0]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution) if distribution else ""
    except metadata.PackageNotFoundError:
        return ""


def _short(error: BaseException) -> str:
    """Return the error and the plugin's own line that raised it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
