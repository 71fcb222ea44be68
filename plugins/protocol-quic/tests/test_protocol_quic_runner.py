"""Programs with the interface of the interop runner are told everything in variables, and built from shared sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from panther_protocol_quic.descriptors import describe

from panther_hookspecs import ConfigurationException, ServiceContext

FILE = """
name = "demo"
summary = "A demo"
version = "1.0"
interface = "runner"

[build]
tools = {cp = "coreutils"}
commands = [["cp", "-r", "{peers}/go", "{build}/src"]]
inputs = ["{peers}/go", "program"]

[server]
program = "{build}/demo"
args = []
alpn = ["h3"]
scenarios = ["handshake"]

[client]
program = "{build}/demo"
args = ["{urls}"]
env = {MORE = "yes"}
alpn = ["h3"]
scenarios = ["resumption"]
"""


def plan(folder: Path, role: str, scenario: str) -> Any:
    file = folder / "implementation.toml"
    file.write_text(FILE)
    parameters = {"alpn": "h3", "version": "v1", "files": (10, 20)}
    target = "" if role == "server" else "server"
    context = ServiceContext(
        name=role, role=role, options=None, scenario=scenario, parameters=parameters, target=target, seed=7
    )
    return describe(file).create_service_manager({}).plan(context)


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("longrtt", "handshake"),
        ("multiplexing", "transfer"),
        ("transferloss", "transfer"),
        ("handshakeloss", "multiconnect"),
        ("zerortt", "zerortt"),
        ("http3", "http3"),
    ],
)
def test_a_program_is_told_the_test_case_of_the_runner(tmp_path: Path, scenario: str, told: str) -> None:
    assert plan(tmp_path, "server", scenario).run.env["TESTCASE"] == told


def test_a_client_is_started_once_and_told_where_everything_is(tmp_path: Path) -> None:
    run = plan(tmp_path, "client", "resumption").run
    assert run.command == "{build}/demo"
    assert len(run.args) == 2
    assert run.env["ROLE"] == "client"
    assert run.env["DOWNLOADS"] == "{dir}/downloads"
    assert run.env["SSLKEYLOGFILE"] == "{dir}/keys.log"
    assert run.env["MORE"] == "yes"


def test_shared_sources_are_part_of_what_is_built(tmp_path: Path) -> None:
    made = plan(tmp_path, "server", "handshake")
    shared, own = made.build_inputs
    assert (shared / "peer" / "settings.go").is_file()
    assert own == tmp_path / "program"
    assert made.compile[0].args[1] == str(shared)


def test_an_interface_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "implementation.toml"
    file.write_text(FILE.replace('"runner"', '"walker"'))
    with pytest.raises(ConfigurationException, match="interface is one of runner"):
        describe(file)
