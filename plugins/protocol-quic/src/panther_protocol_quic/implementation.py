"""An implementation as data: one TOML file says where its programs are, how they are called, and what they claim.

Everything that depends on the scenario, the application protocol, the QUIC version or the version of the program is
a ``when`` with its conditions and what it adds. A mistake in a file is told with the place and what is possible.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from panther_hookspecs import ConfigurationException

ROLES = ("server", "client")
RUNTIMES = ("native", "static", "go", "python", "node", "script")
INTERFACES = ("", "runner")
CONDITIONS = ("scenario", "alpn", "quic", "version", "run", "family")
_NOT = "!"
_COMPARISON = re.compile(r"(>=|<=|==|<|>)\s*([\d.]+)\Z")
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class When:
    """What is added where all conditions hold."""

    conditions: Mapping[str, tuple[str, ...]]
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = attrs.field(factory=dict)
    set: Mapping[str, str] = attrs.field(factory=dict)
    runs: str = ""
    unclaimed: str = ""
    """Why the situation is not claimed after all: for versions of the program that cannot do it."""

    def holds(self, situation: Mapping[str, str]) -> bool:
        """Whether all conditions hold."""
        return all(
            any(_meets(name, situation.get(name, ""), each) for each in wanted)
            for name, wanted in self.conditions.items()
        )


def _meets(name: str, value: str, wanted: str) -> bool:
    if wanted.startswith(_NOT):
        return value != wanted.removeprefix(_NOT)
    if name != "version" or not (comparison := _COMPARISON.match(wanted)):
        return value == wanted
    one, other = numbers(value), numbers(comparison[2])
    operators: Mapping[str, Callable[[], bool]] = {
        ">=": lambda: one >= other,
        "<=": lambda: one <= other,
        "==": lambda: one[: len(other)] == other,
        "<": lambda: one < other,
        ">": lambda: one > other,
    }
    return bool(one) and operators[comparison[1]]()


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version for comparisons."""
    return tuple(map(int, re.findall(r"\d+", version)))


@attrs.frozen(kw_only=True)
class Part:
    """One role of an implementation."""

    program: str
    args: tuple[str, ...]
    scenarios: tuple[str, ...]
    alpn: tuple[str, ...]
    quic: tuple[str, ...] = ("v1",)
    package: str = ""
    """The package that brings the program, for who lacks it."""
    python: str = ""
    """The Python distribution that the program needs."""
    env: Mapping[str, str] = attrs.field(factory=dict)
    files: Mapping[str, str] = attrs.field(factory=dict)
    """Configuration files by name, with placeholders."""
    set: Mapping[str, str] = attrs.field(factory=dict)
    """Values of further placeholders."""
    each: tuple[str, ...] = ()
    """What ``{each}`` stands for, once for every requested file."""
    beside: tuple[tuple[str, ...], ...] = ()
    """Programs that run beside it."""
    stdin: bool = False
    """Whether it needs an input that stays open."""
    host: str = ""
    """The host in URLs; the server's address if empty."""
    exit_counts: bool = True
    """Whether an exit code other than 0 is a failure."""
    unsupported_exit: int | None = None
    """The exit code that says: this is not implemented."""
    stop: str = "SIGTERM"
    """The signal that ends it."""
    grace: int = 10
    """Seconds that it may take to end."""
    why: tuple[str, ...] = ()
    """What in its output tells why it failed: regular expressions, the last match of the first one counts."""
    when: tuple[When, ...] = ()
    runtime: str = ""

    @property
    def logs(self) -> bool:
        """Whether it is told where to log keys or qlog: then a connection that it had has left a trace."""
        parts = ((self.args, self.env, self.files), *((each.args, each.env, {}) for each in self.when))
        words = (word for args, env, files in parts for word in (*args, *env.values(), *files.values()))
        return any(name in word for word in words for name in ("{keys}", "{qlog}"))


@attrs.frozen(kw_only=True)
class Probe:
    """How to learn the version of a program."""

    args: tuple[str, ...] = ("--version",)
    pattern: str = r"(\d+(?:\.\d+)+)"
    program: str = ""
    """The program to ask, where it is not the one that runs."""
    python: str = ""
    """The Python distribution whose version it is; then nothing is started."""
    debian: str = ""
    """The Debian package whose version it is, for programs that do not tell theirs; then nothing is started."""


@attrs.frozen(kw_only=True)
class Build:
    """How to build an implementation, once: its programs are in ``{build}`` afterwards."""

    commands: tuple[tuple[str, ...], ...]
    tools: Mapping[str, str]
    """Tools that the commands need, each with the package that brings it."""
    env: Mapping[str, str] = attrs.field(factory=dict)
    inputs: tuple[str, ...] = ()
    """Files beside the data file that are part of it; ``{package}`` is where they are, ``{peers}`` what many share."""
    seconds: int = 1800
    """Longest time of a command."""


@attrs.frozen(kw_only=True)
class Implementation:
    """One implementation of QUIC."""

    name: str
    summary: str
    folder: Path
    """Where the file is: what ``{package}`` stands for."""
    parts: Mapping[str, Part]
    probe: Probe | None = None
    version: str = ""
    """Its version, where that is decided here because it is built."""
    build: Build | None = None
    interface: str = ""
    """``runner``: its programs take their orders as those of the QUIC interop runner do."""
    runtime: str = "native"
    release: str = ""
    """The Debian release whose files its programs belong to, if not the machine's."""
    image: str = ""
    dockerfile: str = ""
    """The file beside this one that puts its programs on top of any image, where they are found by their names."""
    unfit: Mapping[str, str] = attrs.field(factory=dict)
    """Network environments in which it cannot run, with the reason."""


def load(path: Path) -> Implementation:
    """Return the implementation that a file describes; ConfigurationException says what is wrong with it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationException(f"{path}: cannot be read: {error}") from error
    reader = _Reader(path)
    parts = {role: reader.part(role, data.pop(role)) for role in ROLES if role in data}
    if not parts:
        raise ConfigurationException(f"{path}: neither [server] nor [client]: an implementation plays a role")
    probe = reader.make(Probe, "probe", data.pop("probe")) if "probe" in data else None
    build = reader.build(data.pop("build")) if "build" in data else None
    made = {"folder": path.parent, "parts": parts, "probe": probe, "build": build}
    implementation = reader.make(Implementation, "", {**data, **made})
    if implementation.interface not in INTERFACES:
        raise ConfigurationException(f"{path}: interface is one of {', '.join(INTERFACES[1:])}, or left out")
    return implementation


@attrs.frozen
class _Reader:
    path: Path

    def part(self, role: str, data: Mapping[str, Any]) -> Part:
        """Return one role."""
        whens = tuple(self.when(f"{role}.when[{at}]", each) for at, each in enumerate(data.get("when", ())))
        beside = tuple(tuple(map(str, each)) for each in data.get("beside", ()))
        return self.make(Part, role, {**data, "when": whens, "beside": beside})

    def build(self, data: Mapping[str, Any]) -> Build:
        """Return how to build it."""
        commands = tuple(tuple(map(str, each)) for each in data.get("commands", ()))
        return self.make(Build, "build", {**data, "commands": commands})

    def when(self, place: str, data: Mapping[str, Any]) -> When:
        """Return one addition with its conditions."""
        conditions = {name: _texts(data[name]) for name in CONDITIONS if name in data}
        if not conditions:
            raise ConfigurationException(f"{self.path}: {place}: no condition, one of {', '.join(CONDITIONS)}")
        rest = {key: value for key, value in data.items() if key not in CONDITIONS}
        return self.make(When, place, {**rest, "conditions": conditions})

    def make(self, class_: type[T], place: str, data: Mapping[str, Any]) -> T:
        """Return a value of a class; what the class does not know is a mistake."""
        fields = {each.name: each for each in attrs.fields(class_)}  # type: ignore[arg-type]
        where = f"{self.path}: [{place}]" if place else str(self.path)
        for key in data:
            if key not in fields:
                raise ConfigurationException(f"{where}: unknown key {key!r}\n  known: {', '.join(fields)}")
        lacking = [name for name, each in fields.items() if each.default is attrs.NOTHING and name not in data]
        if lacking:
            raise ConfigurationException(f"{where}: missing: {', '.join(lacking)}")
        return class_(**{key: self._value(where, fields[key], value) for key, value in data.items()})

    def _value(self, where: str, field: attrs.Attribute[Any], value: Any) -> Any:
        kind = str(field.type)
        if kind.startswith("tuple[str"):
            return _texts(value)
        if kind.startswith("Mapping[str, str]"):
            if not isinstance(value, dict):
                raise ConfigurationException(f"{where}: {field.name} is a table, got {value!r}")
            return {key: str(each) for key, each in value.items()}
        plain = {"str": str, "bool": bool, "int": int, "int | None": int}.get(kind)
        if plain is not None and not isinstance(value, plain):
            raise ConfigurationException(f"{where}: {field.name} is a {plain.__name__}, got {value!r}")
        return value


def _texts(value: Any) -> tuple[str, ...]:
    return (str(value),) if isinstance(value, str | int) else tuple(map(str, value))
