"""The suites that run programs find what an environment or an instrument spoils."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.testing.conformance import (
    ExecutionEnvironmentConformance,
    NetworkEnvironmentConformance,
    PluginConformance,
    TestTypeConformance,
)
from panther_core.testing.conformance._network_bench import bench
from panther_core.testing.context import recording_context
from panther_core.testing.dummy import DummyInstrument, DummyNetwork, DummyPlugin
from panther_hookspecs import (
    Artifact,
    Descriptor,
    Endpoint,
    ExecutionEnvironmentDescriptor,
    Layer,
    LayerRole,
    MonitoringData,
    NetworkEnvironmentDescriptor,
    Process,
    ServiceCommand,
    ServiceLaunch,
    ServiceSpec,
    Stage,
    TestTypeDescriptor,
    hookimpl,
)


def plugin_of(hook: str, *descriptors: Descriptor) -> types.ModuleType:
    """Return a plugin module that registers ``descriptors``."""
    module = types.ModuleType("panther_made_for_a_test")
    setattr(module, f"panther_register_{hook}", hookimpl(lambda: descriptors))
    return module


def suite(kind: type[PluginConformance], hook: str, *descriptors: Descriptor, **attributes: Any) -> Any:
    """Return the suite of a kind, to be called test by test, for a plugin with these descriptors."""
    module = plugin_of(hook, *descriptors)
    made = type("Made", (kind,), {"plugin": "made", "module": lambda self: module, **attributes})
    return made()


def assert_found(message: str, test: Callable[..., object], *arguments: object) -> None:
    """Assert that the test of a suite fails, with ``message`` somewhere in the reason."""
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        test(*arguments)


# ------------------------------------------------------------------------------------------------- networks


@attrs.define(slots=False)
class _Swallowing(DummyNetwork):
    """Loses how a program ended, and mixes its streams."""

    def start_service(self, launch: ServiceLaunch) -> Process:
        hidden = Layer(role=LayerRole.NETWORK, by="made", argv=("sh", "-c", '"$@" 2>&1; true', "sh"))
        return super().start_service(attrs.evolve(launch, command=launch.command.wrapped(hidden)))

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        return {each.name: Endpoint(name=each.name, ip="192.0.2.1", ports=dict(each.ports)) for each in services}


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("test_the_exit_code_is_kept", "exit 7 was reported as"),
        ("test_the_signal_that_ended_a_program_is_kept", "was reported as"),
        ("test_output_streams_are_kept_apart", "the files have"),
        ("test_every_service_gets_an_address", "share an address"),
        ("test_ready_only_when_the_program_says_so", "now ready"),
        ("test_a_stop_signal_reaches_the_program", "exits with 5 on SIGTERM"),
    ],
)
def test_what_a_network_loses_is_found(tmp_path: Path, test: str, said: str) -> None:
    descriptor = NetworkEnvironmentDescriptor(
        name="made", summary="Made", factory=_Swallowing, options=_options("network")
    )
    made = suite(NetworkEnvironmentConformance, "network_environments", descriptor)
    with bench(descriptor, made.made_options(), tmp_path) as own:
        assert_found(said, getattr(made, test), own)


def test_a_network_that_is_not_clean_is_found(tmp_path: Path) -> None:
    (descriptor,) = DummyPlugin().panther_register_network_environments()
    options = descriptor.options(leftovers=("a spare veth",))
    with pytest.raises(AssertionError, match="a spare veth"), bench(descriptor, options, tmp_path):
        pass


def _options(part: str) -> type[Any]:
    plugin = DummyPlugin()
    hooks = {
        "network": plugin.panther_register_network_environments,
        "instrument": plugin.panther_register_execution_environments,
    }
    (descriptor,) = hooks[part]()
    found: type[Any] = descriptor.options
    return found


# ---------------------------------------------------------------------------------------------- instruments


@attrs.define(slots=False)
class _Clumsy(DummyInstrument):
    """Loses the exit code, writes into the program's output, and promises a file that it never writes."""

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        argv = ("sh", "-c", '"$@"; echo watched', "sh")
        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by="made", argv=argv, forks=True))

    def get_monitoring_data(self) -> MonitoringData:
        return MonitoringData(artifacts=(Artifact(path="profile.txt", kind="profile"),))


@pytest.mark.parametrize(
    ("test", "arguments", "said"),
    [
        ("test_the_exit_code_is_kept", (7,), "exit code 7 became"),
        ("test_death_by_signal_is_kept", (), "signal 11 became"),
        ("test_results_are_complete", (), "profile.txt"),
        ("test_output_is_the_programs_own", (), "watched"),
        ("test_a_result_that_is_missing_is_a_problem", (), "were removed"),
    ],
)
def test_what_an_instrument_spoils_is_found(tmp_path: Path, test: str, arguments: tuple[int, ...], said: str) -> None:
    descriptor = ExecutionEnvironmentDescriptor(
        name="made", summary="Made", factory=_Clumsy, options=_options("instrument")
    )
    made = suite(ExecutionEnvironmentConformance, "execution_environments", descriptor)
    with recording_context(tmp_path / "attempt") as context:
        assert_found(said, getattr(made, test), context, tmp_path, *arguments)


def test_an_undeclared_tool_of_an_instrument_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = ExecutionEnvironmentDescriptor(
        name="made", summary="Made", factory=_Clumsy, options=_options("instrument")
    )
    made = suite(ExecutionEnvironmentConformance, "execution_environments", descriptor)
    with recording_context(tmp_path / "attempt") as context:
        assert_found(
            "declare the tool", made.test_a_missing_tool_is_declared_or_refused, context, tmp_path, monkeypatch
        )


# ----------------------------------------------------------------------------------------------- test types


def test_stages_that_ignore_the_time_or_fail_without_need_are_found(tmp_path: Path) -> None:
    idle = TestTypeDescriptor(name="idle", summary="Idle", stages=(Stage("nothing", lambda case: None),))
    made = suite(TestTypeConformance, "test_types", idle)
    with recording_context(tmp_path / "attempt") as context:
        assert_found("pass every stage", made.test_the_time_of_the_case_is_kept, context, tmp_path)
