"""OpenSSL is built against the library of another Debian, and does with itself what its data claims."""

from __future__ import annotations

import shutil

import pytest
from panther_protocol_quic.evidence.qlog import read_qlog
from panther_protocol_quic.programs import root_of
from panther_protocol_quic.testing import prove_with_itself, run_together

from panther_core.testing import MakeProject

pytestmark = [
    pytest.mark.skipif(root_of("trixie") is None, reason="needs the files of Debian trixie: bash .ci/run roots"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: apt install gcc"),
]


def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    prove_with_itself(panther_project, "openssl", ("transfer", "multiplexing", "retry", "resumption", "ipv6"))


def test_a_client_that_fails_has_logged_everything_until_then(panther_project: MakeProject) -> None:
    outcome = run_together(panther_project, "qh3", "openssl", ("handshake",))
    outcome.assert_verdicts({"handshake": "fail"})
    (log,) = (outcome.folder() / "services/client/qlog").iterdir()
    trace = read_qlog(log)
    assert not trace.flaw
    assert {"packet_sent", "connection_state_updated"} <= {each.name for each in trace.events}
