"""An implementation that is wrong is never passed, and its verdict says what is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_protocol_quic.descriptors import described
from panther_protocol_quic.implementation import Implementation, load

from panther_core.testing import MakeProject
from panther_hookspecs import ServiceDescriptor, hookimpl

BROKEN = Path(__file__).with_name("broken") / "server.py"
FORGETFUL = BROKEN.with_name("client.py")
REFERENCE = Path(__file__).parents[1] / "src" / "panther_service_aioquic" / "implementation.toml"
DEFECTS = ("wrong", "truncated", "unfinished", "silent", "stranger", "no-retry", "no-update")
LAZY = {
    "lazy": ("sh", ("-c", "exit 0")),
    "liar": ("sh", ("-c", 'cd "$1" && shift && for each; do head -c 1024 /dev/zero > "$each"; done', "sh")),
    "unable": ("sh", ("-c", "exit 127")),
    "copier": ("sh", ("-c", 'cp "$1"/../../server/www/* "$1"', "sh")),
    "absent": ("no-such-client-anywhere", ()),
}
"""Clients that never send a packet."""


def broken_servers(reference: Implementation) -> Iterator[Implementation]:
    """Yield the reference server with each defect."""
    part = reference.parts["server"]
    for defect in DEFECTS:
        args = ("-I", str(BROKEN), "--defect", defect, *part.args[2:])
        yield attrs.evolve(reference, name=f"server-{defect}", parts={"server": attrs.evolve(part, args=args)})


def lazy_clients(reference: Implementation) -> Iterator[Implementation]:
    """Yield clients that end well without having done anything, or leave something out."""
    part = reference.parts["client"]
    for name, (program, args) in LAZY.items():
        own = attrs.evolve(part, program=program, args=(*args, "{downloads}", "{names}"), when=(), python="")
        yield attrs.evolve(reference, name=f"client-{name}", parts={"client": own}, probe=None)
    plain = attrs.evolve(part, when=tuple(each for each in part.when if "--key-update" not in each.args))
    yield attrs.evolve(reference, name="client-no-update", parts={"client": plain})
    forgetful = attrs.evolve(part, args=("-I", str(FORGETFUL), *part.args[2:]))
    yield attrs.evolve(reference, name="client-no-token", parts={"client": forgetful})


class Broken:
    """A plugin that brings all of them."""

    @hookimpl
    def panther_register_services(self) -> Iterator[ServiceDescriptor]:
        """Yield them."""
        reference = load(REFERENCE)
        yield from map(described, (*broken_servers(reference), *lazy_clients(reference)))


FILES = """
name: files
protocol: quic
network_environment: localhost
timeout: 60s
parameters: {alpn: hq-interop}
test_cases:
  - name: server
    services: {client: aioquic}
    matrix: {server: [server-wrong, server-truncated, server-unfinished, server-stranger]}
  - {name: silence, timeout: 4s, services: {client: aioquic}, matrix: {server: [server-silent]}}
  - name: client
    services: {server: aioquic}
    matrix: {client: [client-lazy, client-liar, client-unable, client-absent]}
  - {name: unrecorded, capture: false, services: {server: aioquic}, matrix: {client: [client-copier]}}
"""

PACKETS = """
name: packets
protocol: quic
network_environment: netns
parameters: {alpn: hq-interop}
timeout: 60s
test_cases:
  - {name: retry, scenario: retry, services: {client: aioquic}, matrix: {server: [server-no-retry, aioquic]}}
  - {name: token, timeout: 8s, scenario: retry, services: {server: aioquic}, matrix: {client: [client-no-token]}}
  - name: update
    scenario: keyupdate
    parameters: {files: [400KiB]}
    services: {client: aioquic}
    matrix: {server: [aioquic]}
  - name: server
    timeout: 8s
    scenario: keyupdate
    parameters: {files: [400KiB]}
    services: {client: aioquic}
    matrix: {server: [server-no-update]}
  - name: client
    scenario: keyupdate
    parameters: {files: [400KiB]}
    services: {server: aioquic}
    matrix: {client: [client-no-update]}
  - name: two
    services: {client: {implementation: aioquic, role: client}, other: {implementation: aioquic, role: client}}
    matrix: {server: [aioquic]}
"""


def verdicts(outcome: Any) -> dict[str, tuple[str, str]]:
    """Return verdict and reason by name of the broken part."""
    found = {}
    for case in outcome.cases():
        (name,) = case["cell"].values()
        found[f"{case['name']} {name}"] = (case["verdict"], case["why"])
    return found


def test_wrong_files_silence_strange_certificates_and_idle_clients_never_pass(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": FILES}, plugins=[Broken()]).run("run e.yaml --jobs 2")
    found = verdicts(outcome)
    expected = {
        "server server-wrong": ("fail", "has the right length and other content"),
        "server server-truncated": ("fail", "has 1023 bytes instead of 1024"),
        "server server-unfinished": ("fail", "the connection was closed: out of breath"),
        "silence server-silent": ("fail", "client had not ended when the time of the case was over"),
        "server server-stranger": ("fail", "the connection was closed"),
        "client client-lazy": ("fail", "did not arrive"),
        "client client-liar": ("fail", "has the right length and other content"),
        "client client-unable": ("unsupported", "it does not implement handshake"),
        "unrecorded client-copier": ("inconclusive", "neither side has logged keys or qlog"),
        "client client-absent": ("error", "tool no-such-client-anywhere, for client-absent"),
    }
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        name: verdict for name, (verdict, _) in expected.items()
    }
    for name, (_, why) in expected.items():
        assert why in found[name][1], (name, found[name])


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_who_skips_the_retry_its_token_or_the_key_update_fails_where_packets_are_seen(
    panther_project: MakeProject,
) -> None:
    outcome = panther_project({"e.yaml": PACKETS}, plugins=[Broken()]).run("run e.yaml --jobs 2")
    found = verdicts(outcome)
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        "retry server-no-retry": "fail",
        "retry aioquic": "pass",
        "token client-no-token": "fail",
        "server server-no-update": "fail",
        "update aioquic": "pass",
        "client client-no-update": "fail",
        "two aioquic": "pass",
    }
    assert "no Retry in the packets at the client" in found["retry server-no-retry"][1]
    assert "client has never repeated the token of the server's Retry" in found["token client-no-token"][1]
    assert "client had not ended" in found["server server-no-update"][1]
    assert "key phase 1 in the packets at the server: client 0, server 0" in found["client client-no-update"][1]
