"""The interface of the QUIC interop runner: what a program that follows it is told in environment variables.

``interface = "runner"`` in the file of an implementation stands for all of it. Where the runner fixes a place
(``/www``, port 443), a program that is to run natively takes it from one more variable. The folder ``peers`` has what
such programs in Go and in Rust can share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from panther_protocol_quic.implementation import Part, When

NAME = "runner"
PEERS = Path(__file__).with_name("peers")
UNSUPPORTED = 127
"""The exit code that says that a program does not know the test case."""
_SAME = frozenset(
    {"handshake", "transfer", "http3", "retry", "resumption", "zerortt", "chacha20", "keyupdate", "versionnegotiation"}
    | {"v2", "connectionmigration"}
)
_HANDSHAKE, _CONNECTIONS = ("longrtt", "ecn"), ("handshakeloss", "handshakecorruption")
_COMMON = {
    "TESTCASE": "{testcase}",
    "ALPN": "{alpn}",
    "CERTS": "{dir}/certs",
    "QLOGDIR": "{qlog}",
    "SSLKEYLOGFILE": "{keys}",
}
_OF_ROLE: Mapping[str, Mapping[str, str]] = {
    "server": {"ROLE": "server", "IP": "{address}", "PORT": "{port}", "WWW": "{www}"},
    "client": {"ROLE": "client", "DOWNLOADS": "{downloads}"},
}


def testcase(scenario: str) -> str:
    """Return what the runner calls a scenario: most of its tests differ in the link and in what is checked alone."""
    if scenario in _SAME:
        return scenario
    return "handshake" if scenario in _HANDSHAKE else "multiconnect" if scenario in _CONNECTIONS else "transfer"


def completed(role: str, part: Part) -> Part:
    """Return a role with what every program has that follows the interface; what its file says goes first."""
    return attrs.evolve(
        part,
        env={**_COMMON, **_OF_ROLE[role], **part.env},
        unsupported_exit=UNSUPPORTED if part.unsupported_exit is None else part.unsupported_exit,
        why=part.why or ("^failed: (.*)",),
        when=(When(conditions={}, runs="one"), *part.when),
    )
