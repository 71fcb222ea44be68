"""The sections of an experiment that name a plugin, as typed values with the plugin's own keys beside the engine's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from panther_core.config.structure import REST, SHORT
from panther_hookspecs import Quantity, Readiness, option


@attrs.frozen(kw_only=True)
class NetworkEnvironmentConfig:
    """Which network environment, with its own options."""

    type: str = attrs.field(metadata={"help": "Name of the network environment.", SHORT: True})
    options: Mapping[str, Any] = attrs.field(
        factory=dict, metadata={"help": "Keys of that network environment.", REST: True}
    )

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {"type": self.type, **self.options}


@attrs.frozen(kw_only=True)
class ExecutionEnvironmentConfig:
    """Which execution environment, with its own options."""

    type: str = attrs.field(metadata={"help": "Name of the execution environment.", SHORT: True})
    options: Mapping[str, Any] = attrs.field(
        factory=dict, metadata={"help": "Keys of that execution environment.", REST: True}
    )

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {"type": self.type, **self.options}


@attrs.frozen(kw_only=True)
class TestTypeConfig:
    """Which test type, with its own options."""

    __test__ = False

    type: str = attrs.field(metadata={"help": "Name of the test type.", SHORT: True})
    stages: tuple[str, ...] = attrs.field(
        default=(),
        converter=tuple,
        metadata={"help": "Its stages to run, in this order; TYPE.STAGE is one of another type. All if left out."},
    )
    options: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "Keys of that test type.", REST: True})

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {"type": self.type, **({"stages": list(self.stages)} if self.stages else {}), **self.options}


@attrs.frozen(kw_only=True)
class ObserverConfig:
    """Which observer takes part, or does not, with its own options."""

    type: str = attrs.field(metadata={"help": "Name of the observer.", SHORT: True})
    enabled: bool = option(True, help="Whether it takes part; false switches off one that does by default.")
    options: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "Keys of that observer.", REST: True})

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {"type": self.type, **({} if self.enabled else {"enabled": False}), **self.options}


@attrs.frozen(kw_only=True)
class ProvisionerConfig:
    """Which provisioner supplies systems, how many, with its own options."""

    type: str = attrs.field(metadata={"help": "Name of the provisioner.", SHORT: True})
    max_workers: int = option(
        0,
        validator=attrs.validators.ge(0),
        help="Most of its systems that are used at a time; 0 is all that it has, or --jobs where it knows no limit.",
    )
    options: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "Keys of that provisioner.", REST: True})

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {"type": self.type, "max_workers": self.max_workers, **self.options}


@attrs.frozen(kw_only=True)
class DiscoveryConfig:
    """Where test cases are found that are written down elsewhere, with the source's own options."""

    type: str = attrs.field(metadata={"help": "Name of the source of test cases.", SHORT: True})
    options: Mapping[str, Any] = attrs.field(factory=dict, metadata={"help": "Keys of that source.", REST: True})

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {"type": self.type, **self.options}


@attrs.frozen(kw_only=True)
class ServiceConfig:
    """One participant; what is not named here are the options of its implementation."""

    implementation: str = attrs.field(
        default="", metadata={"help": "Name of the implementation; that of the test case if left out.", SHORT: True}
    )
    role: str = option("", help="Role in the protocol; the service's own name if the protocol has such a role.")
    version: str = option("", help="Version of the implementation; the first one that it knows if left out.")
    target: str = option("", help="The service it talks to; the only one of the right role if left out.")
    depends_on: tuple[str, ...] = option((), help="Services that must be ready before this one starts.")
    environment: Mapping[str, str] = option(factory=dict, help="Environment variables of the program.")
    ready: Readiness | None = option(None, help="How to know that it is ready; replaces what the implementation says.")
    options: Mapping[str, Any] = attrs.field(
        factory=dict, metadata={"help": "Keys of that implementation.", REST: True}
    )

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say."""
        return {**given(self, without=("options",)), **self.options}


SECTIONS = (
    NetworkEnvironmentConfig,
    ExecutionEnvironmentConfig,
    TestTypeConfig,
    ServiceConfig,
    ObserverConfig,
    ProvisionerConfig,
    DiscoveryConfig,
)


def written(value: Any) -> Any:
    """Return typed values as what a file would say."""
    if isinstance(value, SECTIONS):
        return written(value.to_dict())
    if attrs.has(type(value)):
        return {field.alias: written(getattr(value, field.name)) for field in attrs.fields(type(value)) if field.init}
    if isinstance(value, Mapping):
        return {key: written(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [written(each) for each in value]
    return float(value) if isinstance(value, Quantity) else value


def given(value: Any, *, without: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    found: dict[str, Any] = {}
    for field in attrs.fields(type(value)):
        default = getattr(field.default, "factory", lambda field=field: field.default)()
        current = getattr(value, field.name)
        if field.name == "test_cases":
            found[field.name] = [given(each, without=()) for each in current]
        elif field.name not in without and current != default:
            found[field.name] = written(current)
    return found
