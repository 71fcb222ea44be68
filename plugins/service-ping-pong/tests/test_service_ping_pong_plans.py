"""What the two implementations are told: options, versions and scenario become a command line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from panther_service_ping_pong.manager import (
    HERE,
    VARIANTS,
    CManager,
    COptions,
    PingPongOptions,
    PythonManager,
    command_line_of_versions,
)

from panther_core.testing.conformance import ServiceConformance
from panther_hookspecs import ConfigurationException, ServiceContext, ServicePlan


class TestConformanceOfC(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_ping_pong.plugin"
    protocol_plugin = "panther_protocol_minip.plugin"
    name = "ping-pong-c"


class TestConformanceOfPython(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_ping_pong.plugin"
    protocol_plugin = "panther_protocol_minip.plugin"
    name = "ping-pong-py"


def _plan(options: PingPongOptions | None = None, **context: Any) -> ServicePlan:
    made = options or PingPongOptions()
    told = {"name": "one", "role": "client", "target": "the-server", "version": "1", "options": made, **context}
    return PythonManager(made).plan(ServiceContext(**told))


def _value(plan: ServicePlan, flag: str) -> str:
    return plan.run.args[plan.run.args.index(flag) + 1]


def test_a_client_finds_its_own_target_by_name() -> None:
    plan = _plan()
    assert _value(plan, "--connect") == "{the-server.ip}"
    assert _value(plan, "--port") == "{the-server.port}"
    assert _value(plan, "--address") == "{self.ip}"


def test_ipv6_asks_for_the_other_addresses() -> None:
    plan = _plan(PingPongOptions(ipv6=True))
    assert (_value(plan, "--connect"), _value(plan, "--address")) == ("{the-server.ip6}", "{self.ip6}")


def test_every_parameter_of_the_scenario_is_passed_on() -> None:
    plan = _plan(scenario="transfer", parameters={"size": 65536.0, "interval": 0.0125})
    assert _value(plan, "--size") == "65536"
    assert _value(plan, "--interval") == "0.0125"


@pytest.mark.parametrize(("given", "passed"), [(None, "7"), (3, "3")])
def test_the_variant_random_takes_its_own_seed_or_that_of_the_case(given: int | None, passed: str) -> None:
    plan = _plan(PingPongOptions(variant="random", seed=given), seed=7)
    assert (_value(plan, "--dice"), _value(plan, "--seed")) == (passed, "7")


def test_the_attempt_is_passed_on_for_the_variant_flaky() -> None:
    assert _value(_plan(attempt=3), "--attempt") == "3"


def test_a_version_is_data_and_an_unknown_one_is_an_error_that_lists_what_exists() -> None:
    assert _value(_plan(role="server", target="", version="2"), "--versions") == "1,2"
    assert _value(_plan(version="2"), "--version") == "2"
    with pytest.raises(ConfigurationException, match="no version '3'; it has 1, 2"):
        _plan(version="3")
    assert list(command_line_of_versions()) == ["1", "2"]


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="variant"):
        PingPongOptions(variant="quantum")


@pytest.mark.parametrize(("static", "runtime"), [(False, "native"), (True, "static")])
def test_the_program_in_c_is_built_from_its_one_file(static: bool, runtime: str) -> None:
    options = COptions(static=static)
    plan = CManager(options).plan(ServiceContext(name="server", role="server", options=options))
    (source,) = plan.build_inputs
    (compiler,) = plan.compile
    assert compiler.argv[0] == "cc"
    assert {"-O2", "-g", "-Wall"} <= set(compiler.args)
    assert ("-static" in compiler.args, plan.runtime) == (static, runtime)
    assert source.is_file()
    assert str(source) in compiler.args
    assert plan.run.command == "{build}/ping-pong"


def test_both_programs_know_every_variant() -> None:
    told = subprocess.run(
        [sys.executable, "-I", "-S", HERE / "ping_pong_py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    source = (HERE / "ping_pong_c" / "ping_pong.c").read_text()
    for variant in VARIANTS:
        assert variant in told
        assert f'"{variant}"' in source
