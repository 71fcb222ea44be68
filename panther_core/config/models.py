"""The configuration as typed values, as a file gives them or as Python code makes them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_core.config.diagnostics import Findings
from panther_core.config.document import load_document
from panther_core.config.sections import (
    DiscoveryConfig,
    ExecutionEnvironmentConfig,
    NetworkEnvironmentConfig,
    ObserverConfig,
    ProvisionerConfig,
    ServiceConfig,
    TestTypeConfig,
    given,
    written,
)
from panther_core.config.structure import converter, structure
from panther_core.config.tree import Mark, Node, Source, exact, from_plain, plain
from panther_core.registry import Registry
from panther_hookspecs import Bytes, LinkSpec, Seconds, option

SERVICE_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
_LONGEST_NAME = 200
_at_least_0 = attrs.validators.ge(0)
_at_least_1 = attrs.validators.ge(1)


def _printable(_instance: object, _attribute: attrs.Attribute[str], value: str) -> None:
    if not value.strip() or not value.isprintable() or len(value) > _LONGEST_NAME:
        raise ValueError(f"a name is one line of at most {_LONGEST_NAME} printable characters, got {value!r}")


def _more_than_0(_instance: object, _attribute: attrs.Attribute[Seconds], value: Seconds) -> None:
    if value <= 0:
        raise ValueError(f"must be more than 0, got {value:g}")


def _names_or_amounts(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _amounts_more_than_0(_instance: object, _attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, Mapping) and not all(float(each) > 0 for each in value.values()):
        raise ValueError("every amount must be more than 0")


def _section(value: object, class_: type[Any]) -> Any:
    """Return a section that may be given as a value, as a name, or as a mapping with the plugin's keys in it."""
    return converter().structure(value, class_) if isinstance(value, str | Mapping) else value


def _network(value: object) -> Any:
    return _section(value, NetworkEnvironmentConfig)


def _instruments(value: object) -> Any:
    many = value if isinstance(value, list | tuple) else () if value is None else (value,)
    return tuple(_section(each, ExecutionEnvironmentConfig) for each in many)


def _test_cases(value: Iterable[object]) -> Any:
    return tuple(TestCaseConfig(**each) if isinstance(each, Mapping) else each for each in value)


def _observers(value: Iterable[object]) -> Any:
    return tuple(_section(each, ObserverConfig) for each in value)


def _discoveries(value: Iterable[object]) -> Any:
    return tuple(_section(each, DiscoveryConfig) for each in value)


def _provisioners(value: Iterable[object]) -> Any:
    return tuple(_section(each, ProvisionerConfig) for each in value)


def _test_type(value: object) -> Any:
    return _section(value, TestTypeConfig)


def _services(value: Mapping[str, object]) -> Any:
    return {name: _section(each, ServiceConfig) for name, each in value.items()}


def _as_tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(value)


def _seconds(value: object) -> Seconds:
    return Seconds.parse(value)


@attrs.frozen(kw_only=True)
class TestCaseConfig:
    """One test case as a file describes it: a template for as many cases as its matrix has cells."""

    __test__ = False

    name: str = option(help="Name of the test case, unique in the file.", validator=_printable)
    description: str = option("", help="What it shows, for reports.")
    type: TestTypeConfig = attrs.field(
        default=TestTypeConfig(type="functional"),
        converter=_test_type,
        metadata={"help": "Test type: a name, or a mapping of type and its own keys."},
    )
    protocol: str = option("", help="Protocol that the services speak.")
    scenario: str = option("", help="Scenario of the protocol; its first one if left out.")
    parameters: Mapping[str, Any] = option(factory=dict, help="Parameters of the scenario.")
    implementation: str = option("", help="Implementation of every role that no service plays otherwise.")
    services: Mapping[str, ServiceConfig] = attrs.field(
        factory=dict, converter=_services, metadata={"help": "The participants, by name."}
    )
    network_environment: NetworkEnvironmentConfig | None = attrs.field(
        default=None,
        converter=_network,
        metadata={"help": "Where the services run: a name, or a mapping of type and its own keys."},
    )
    execution_environments: tuple[ExecutionEnvironmentConfig, ...] = attrs.field(
        default=(),
        converter=_instruments,
        metadata={"help": "What watches the services: one or a list, each a name or a mapping."},
    )
    timeout: Seconds = attrs.field(
        default=Seconds(60),
        converter=_seconds,
        validator=_more_than_0,
        metadata={"help": "Longest time of one attempt."},
    )
    repeat: int = option(1, validator=_at_least_1, help="How often every cell of the matrix is run.")
    retry_count: int = option(0, validator=_at_least_0, help="Further attempts when one is not as expected.")
    checks: tuple[Mapping[str, Any], ...] = attrs.field(
        default=(), converter=_as_tuple, metadata={"help": "What must hold besides the scenario's own check."}
    )
    expect: Any = option("pass", help="Expected verdict: one, a list, or a list of {when, verdict, reason}.")
    links: Mapping[str, LinkSpec] = option(factory=dict, help="Impairments by link, a-b or * for all.")
    capture: bool = option(False, help="Record the packets.")
    exclusive: bool = option(False, help="Run it alone on the machine.")
    labels: tuple[str, ...] = attrs.field(
        default=(), converter=_as_tuple, metadata={"help": "Labels that a system must have to run it."}
    )
    priority: int = option(0, help="Cases of higher priority are started first.")
    uses: tuple[str, ...] | Mapping[str, Bytes] = attrs.field(
        default=(),
        converter=_names_or_amounts,
        validator=_amounts_more_than_0,
        metadata={
            "help": "Resources that it takes while it runs: names, or amounts by name ({cpus: 2, memory: 1GiB})."
        },
    )
    deadline: Seconds | None = option(
        None,
        validator=attrs.validators.optional(_more_than_0),
        help="Time from the beginning of the run after which it is not started.",
    )
    tags: tuple[str, ...] = attrs.field(
        default=(), converter=_as_tuple, metadata={"help": "Words to select it by: --select tags=WORD."}
    )
    matrix: Mapping[str, Any] = option(factory=dict, help="Axes by name, each a list of values; exclude and include.")

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say, every default filled in."""
        found: dict[str, Any] = written(self)
        return found


@attrs.frozen(kw_only=True)
class GlobalConfig:
    """What holds for every experiment on this machine."""

    paths: Mapping[str, str] = option(factory=dict, help="Folders: output_dir for run directories.")
    plugins: Mapping[str, Any] = option(factory=dict, help="Which plugins to use: block is a list of names.")
    logging: Mapping[str, Any] = option(factory=dict, help="What PANTHER writes about itself: level.")
    docker: Mapping[str, Any] = option(factory=dict, help="How containers are made.")

    @classmethod
    def load(cls, config_path: Path | str, *, environ: Mapping[str, str] = os.environ) -> GlobalConfig:
        """Load the configuration from a file; ConfigurationException lists everything wrong with it."""
        findings = Findings()
        config = structure(load_document(config_path, environ=environ), cls, findings)
        findings.raise_if_any()
        assert config is not None  # otherwise something was found
        return config


@attrs.frozen(kw_only=True)
class ExperimentConfig:
    """An experiment: defaults and test cases. Loading one also checks every name in it against the plugins."""

    name: str = option(help="Name of the experiment.", validator=_printable)
    description: str = option("", help="What it is about, for reports.")
    protocol: str = option("", help="Protocol of all test cases that name none.")
    test_cases: tuple[TestCaseConfig, ...] = attrs.field(
        converter=_test_cases, metadata={"help": "What to show, one by one."}
    )
    network_environment: NetworkEnvironmentConfig | None = attrs.field(
        default=None, converter=_network, metadata={"help": "Network environment of all test cases that name none."}
    )
    execution_environment: tuple[ExecutionEnvironmentConfig, ...] = attrs.field(
        default=(),
        converter=_instruments,
        metadata={"help": "Execution environments of all test cases that name none."},
    )
    observers: tuple[ObserverConfig, ...] = attrs.field(
        default=(),
        converter=_observers,
        metadata={"help": "Observers besides those that always take part: names or mappings."},
    )
    provisioners: tuple[ProvisionerConfig, ...] = attrs.field(
        default=(), converter=_provisioners, metadata={"help": "Where the systems come from; this machine if left out."}
    )
    discover: tuple[DiscoveryConfig, ...] = attrs.field(
        default=(), converter=_discoveries, metadata={"help": "Where more test cases are found: names or mappings."}
    )
    seed: int = option(0, validator=_at_least_0, help="The one number from which every random choice comes.")
    tree: Node | None = attrs.field(default=None, init=False, eq=False, repr=False)
    """The file with its positions, defaults not yet merged; None for an experiment made in Python."""
    registry: Registry | None = attrs.field(default=None, init=False, eq=False, repr=False)
    """The plugins that a file was checked against."""

    @property
    def execution_environments(self) -> tuple[ExecutionEnvironmentConfig, ...]:
        """The execution environments, under the name that files use."""
        return self.execution_environment

    @classmethod
    def load(cls, config_path: Path | str, *, registry: Registry | None = None) -> ExperimentConfig:
        """Load and check an experiment file with the installed plugins; ConfigurationException lists every error."""
        from panther_core.config.loading import load_experiment  # noqa: PLC0415 - loading is made of these models

        return load_experiment(config_path, installed() if registry is None else registry)

    def validate(self, registry: Registry | None = None) -> bool:
        """Return True if everything in it fits the installed plugins; ConfigurationException lists every error."""
        from panther_core.plan import check_experiment  # noqa: PLC0415 - planning is made of these models

        check_experiment(self, self.plugins() if registry is None else registry)
        return True

    def plugins(self) -> Registry:
        """Return the plugins that it was checked against, or else the installed ones."""
        return installed() if self.registry is None else self.registry

    def to_dict(self) -> dict[str, Any]:
        """Return what a file would say: loading that gives the same cases."""
        if self.tree is not None:
            found: dict[str, Any] = exact(plain(self.tree))
            return found
        return given(self, without=("tree", "registry"))

    def resolved(self, registry: Registry | None = None) -> dict[str, Any]:
        """Return what a file would say with every default filled in, those of the plugins too; it loads again."""
        from panther_core.plan import resolved_experiment  # noqa: PLC0415 - planning is made of these models

        return resolved_experiment(self, self.plugins() if registry is None else registry)

    def to_tree(self) -> Node:
        """Return the tree to plan from."""
        return self.tree or from_plain(self.to_dict(), Mark(Source(f"ExperimentConfig({self.name!r})")))


def installed() -> Registry:
    """Return what the installed plugins bring."""
    from panther_core.plugin_manager import PluginManager  # noqa: PLC0415 - plugins are loaded only if asked for

    return PluginManager.load().registry
