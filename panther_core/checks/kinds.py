"""The kinds of check that an experiment file can ask for."""

from __future__ import annotations

import abc
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from panther_core.checks import expression
from panther_hookspecs import Bytes, CheckResult, Evidence, Measurement, ScenarioEvidence, Verdict, option


class Check(abc.ABC):
    """One thing that must hold."""

    @abc.abstractmethod
    def run(self, seen: ScenarioEvidence) -> CheckResult:
        """Compare with what was seen; never raise for what the programs did."""


def _result(name: str, *, holds: bool, evidence: str, proves: bool = False) -> CheckResult:
    verdict = Verdict.PASS if holds else Verdict.FAIL
    return CheckResult(name=name, verdict=verdict, evidence=evidence, proves_exchange=proves and holds)


def _regular_expression(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"{attribute.name} is no regular expression: {error}") from error


def _inside(_instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    if Path(value).is_absolute() or ".." in Path(value).parts:
        raise ValueError(f"{attribute.name} must stay inside the service's folder, got {value!r}")


def _expression(_instance: object, _attribute: attrs.Attribute[str], value: str) -> None:
    expression.parse(value)


@attrs.frozen(kw_only=True)
class ExitCodeCheck(Check):
    """How a service ended."""

    service: str = option(help="Name of the service.")
    equals: int = option(0, help="The exit code that it must end with; a negative number means that signal.")

    def run(self, seen: ScenarioEvidence) -> CheckResult:
        """Compare the exit status of the service."""
        status = seen.evidence.exits.get(self.service)
        if status is None:
            return _result(f"exit code of {self.service}", holds=False, evidence="it was never started")
        code = -status.signal if status.signal is not None else status.code
        stopped = status.reason == "stopped" and self.equals == 0 and status.ok
        return _result(
            f"exit code of {self.service}",
            holds=code == self.equals or stopped,
            evidence=f"{status}, wanted {self.equals}",
            proves=not stopped,
        )


@attrs.frozen(kw_only=True)
class LogCheck(Check):
    """What a service wrote to its output."""

    service: str = option(help="Name of the service.")
    matches: str = option(help="Regular expression that must be found.", validator=_regular_expression)
    stream: str = option(
        "both", help="stdout, stderr or both.", validator=attrs.validators.in_(("stdout", "stderr", "both"))
    )
    absent: bool = option(False, help="Turn it round: the expression must not be found.")
    at_least: int = option(
        1, help="How often it must be found, in all streams together.", validator=attrs.validators.ge(1)
    )

    def run(self, seen: ScenarioEvidence) -> CheckResult:
        """Look for the expression in the output."""
        name = f"log of {self.service}"
        if self.service not in seen.evidence.folders:
            return _result(name, holds=False, evidence="there is no such service")
        streams = ("stdout", "stderr") if self.stream == "both" else (self.stream,)
        found = [
            (stream, match[0])
            for stream in streams
            for match in re.finditer(self.matches, seen.evidence.text(self.service, stream), re.MULTILINE)
        ]
        if not found:
            return _result(name, holds=self.absent, evidence=f"nothing matches {self.matches!r}")
        stream, text = found[0]
        counted = f", {len(found)} times" if len(found) > 1 or self.at_least > 1 else ""
        holds = not self.absent and len(found) >= self.at_least
        return _result(name, holds=holds, evidence=f"{stream} has {text[:80]!r}{counted}", proves=True)


@attrs.frozen(kw_only=True)
class FileCheck(Check):
    """A file that a service must have written."""

    service: str = option(help="Name of the service.")
    path: str = option(help="The file, relative to the service's folder.", validator=_inside)
    sha256: str = option("", help="The hash that it must have.")
    same_as: str = option("", help="Another service's file with equal content, as service/path.", validator=_inside)
    min_size: Bytes = option(Bytes(1), help="Least size; an empty file is no evidence unless this is 0.")

    def run(self, seen: ScenarioEvidence) -> CheckResult:
        """Compare size and content of the file."""
        name = f"file {self.service}/{self.path}"
        path = _find(seen.evidence, self.service, self.path)
        if path is None:
            return _result(name, holds=False, evidence="it does not exist")
        size = path.stat().st_size
        if size < self.min_size:
            return _result(name, holds=False, evidence=f"it has {size} bytes, wanted {int(self.min_size)}")
        digest = _digest(path)
        if self.sha256 and digest != self.sha256.lower():
            return _result(name, holds=False, evidence=f"its SHA-256 is {digest}, wanted {self.sha256.lower()}")
        if self.same_as:
            other = _find(seen.evidence, *self.same_as.partition("/")[::2])
            if other is None or _digest(other) != digest:
                return _result(name, holds=False, evidence=f"it differs from {self.same_as}")
        return _result(name, holds=True, evidence=f"{size} bytes, SHA-256 {digest[:16]}...", proves=True)


@attrs.frozen(kw_only=True)
class ThatCheck(Check):
    """An expression over measurements and counts of findings."""

    that: str = option(help="For example: server.cpu_seconds < 3 and memcheck.errors == 0", validator=_expression)

    def run(self, seen: ScenarioEvidence) -> CheckResult:
        """Evaluate the expression; a measurement that does not exist is an error, never a pass."""
        values = values_of(seen.evidence.measurements)
        tree = expression.parse(self.that)
        try:
            holds = bool(expression.evaluate(tree, values))
        except expression.ExpressionError as error:
            return CheckResult(name=self.that, verdict=Verdict.ERROR, evidence=str(error))
        shown = ", ".join(
            f"{name} = {values[name]:g}" for name in dict.fromkeys(expression.names(tree)) if name in values
        )
        return _result(self.that, holds=holds, evidence=shown)


def values_of(measurements: tuple[Measurement, ...]) -> dict[str, float]:
    """Return measurements by name and by ``service.name``; a name that several services have means their sum."""
    values: dict[str, float] = {}
    for each in measurements:
        if each.service:
            values[f"{each.service}.{each.name}"] = each.value
        values[each.name] = values.get(each.name, 0.0) + each.value
    return values


def _find(evidence: Evidence, service: str, path: str) -> Path | None:
    folder = evidence.folders.get(service)
    found = folder / path if folder else None
    return found if found is not None and found.is_file() else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


CHECK_KINDS: Mapping[str, type[Check]] = {
    "exit_code": ExitCodeCheck,
    "log": LogCheck,
    "file": FileCheck,
    "that": ThatCheck,
}
"""Every kind of check by its key in the experiment file."""
