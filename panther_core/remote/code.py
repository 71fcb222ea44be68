"""PANTHER itself as a folder to copy: the engine, the plugins that an experiment uses, and what they depend on."""

from __future__ import annotations

import compileall
import contextlib
import importlib.util
import re
import shutil
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from panther_core.registry import Registry
from panther_core.remote.far.files import facts
from panther_hookspecs import EnvironmentUnavailableError, LinkDescriptor

ENGINE = "panther-pluggy"
ENGINE_PACKAGES = ("panther_core", "panther_hookspecs")
NOT_NEEDED = frozenset({"rich", "ruamel-yaml-clib"})
"""What only the console uses, and what is compiled to make something faster that is not used."""
_OF_THE_RUN = frozenset({"command", "observer", "report", "provisioner"})
_COMPILED = (".so", ".pyd", ".dylib")
_NOT_COPIED = shutil.ignore_patterns("tests")


def used_plugins(experiment: str, registry: Registry) -> frozenset[str]:
    """Return the distributions of the plugins that an experiment, as YAML, can use: whatever it names."""
    words = frozenset(re.findall(r"[a-z0-9][a-z0-9_.-]*", experiment))
    return frozenset(
        each.provider.distribution or f"the plugin of {each.name}, which is no installed package,"
        for each in registry
        if (each.name in words or isinstance(each, LinkDescriptor)) and each.KIND not in _OF_THE_RUN
        if each.provider.distribution != ENGINE
    )


def gather(plugins: Iterable[str], into: Path, binary: str) -> None:
    """Copy the engine, these distributions and all that they need into a folder for a host of that kind."""
    waiting, seen = [ENGINE, *sorted(plugins)], set(NOT_NEEDED)
    for name in waiting:
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise EnvironmentUnavailableError(f"{name} cannot be copied to another system") from error
        if _is_compiled(distribution) and binary != facts("")["binary"]:
            raise EnvironmentUnavailableError(
                f"{name} has parts that are compiled for {facts('')['binary']}, but the system is {binary}"
            )
        _copy(distribution, into)
        waiting += _needed(distribution)
    compileall.compile_dir(into, quiet=2)  # once here instead of once on each host, where Python is the same


def _needed(distribution: metadata.Distribution) -> Iterator[str]:
    """Yield what a distribution requires and what is installed of it: markers were looked at when it was."""
    for each in distribution.requires or ():
        text, _, marker = each.partition(";")
        found = re.match(r"[A-Za-z0-9._-]+", text)
        if found is None or "extra" in marker:
            continue
        name = re.sub(r"[._-]+", "-", found.group()).lower()
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.distribution(name)
            yield name


def _is_compiled(distribution: metadata.Distribution) -> bool:
    return any(each.name.endswith(_COMPILED) for each in distribution.files or ())


def _copy(distribution: metadata.Distribution, into: Path) -> None:
    files = distribution.files or []
    editable = any(each.name.endswith(".pth") for each in files)
    for file in files:
        top = file.parts[0]
        if top != ".." and not file.name.endswith(".pth") and (not editable or top.endswith(".dist-info")):
            target = into.joinpath(*file.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # a compiled module that was never made
                shutil.copy2(str(distribution.locate_file(file)), target)
    if editable:
        name = str(distribution.metadata["Name"])
        for package in ENGINE_PACKAGES if name == ENGINE else (name.replace("-", "_"),):
            shutil.copytree(_source(package), into / package, ignore=_NOT_COPIED, dirs_exist_ok=True)


def _source(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise EnvironmentUnavailableError(f"{package} is installed in a way that cannot be copied to another system")
    return Path(found.submodule_search_locations[0])
