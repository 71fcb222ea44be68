"""Plugins that are loaded by name work alone, as the environments page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from panther_core.plugin_loader import PluginLoader
from panther_core.registry import UnknownNameError
from panther_hookspecs import PantherExperimentError, ProtocolDescriptor, ServiceDescriptor, ShellCommand


def test_an_instrument_takes_the_options_of_the_quick_start() -> None:
    with PluginLoader() as loader:
        gperf_cpu = loader.load_plugin("environments", "execution_environment", "gperf_cpu")
        gperf_cpu.initialize(
            {"profile_frequency": 100, "output_file": "/tmp/cpu_profile.prof", "target_process": "picoquic_server"}
        )
        assert gperf_cpu.variables()["CPUPROFILE_FREQUENCY"] == "100"
        assert gperf_cpu.validate_configuration({"profile_frequency": 100})


def test_a_network_environment_can_run_commands_and_emit_events(tmp_path: Path) -> None:
    with PluginLoader(folder=tmp_path) as loader:
        localhost = loader.load_plugin("environments", "network_environment", "localhost")
        localhost.setup_environment({})
        result = localhost.command_processor.execute(ShellCommand("echo", ["hello"]))
        localhost.teardown_environment()
    assert (result.exit_code, result.stdout) == (0, "hello\n")


def test_protocols_and_services_are_their_descriptors() -> None:
    with PluginLoader() as loader:
        assert isinstance(loader.load_plugin("protocols", "", "minip"), ProtocolDescriptor)
        assert isinstance(loader.load_plugin("services", "minip", "ping-pong-py"), ServiceDescriptor)


def test_an_unknown_kind_or_name_lists_what_exists() -> None:
    with PluginLoader() as loader:
        with pytest.raises(UnknownNameError, match="environments/network_environment"):
            loader.load_plugin("environment", "network", "localhost")
        with pytest.raises(UnknownNameError, match="did you mean 'localhost'"):
            loader.load_plugin("environments", "network_environment", "localhots")


def test_an_environment_made_by_hand_says_where_to_get_one_that_works() -> None:
    with PluginLoader() as loader:
        descriptor = type(loader.load_plugin("environments", "network_environment", "localhost"))()
    with pytest.raises(PantherExperimentError, match="PluginLoader"):
        descriptor.command_processor  # noqa: B018 - the look-up is the point
