"""ngtcp2 does what its data claims, in the version of this machine and in that of Debian trixie."""

from __future__ import annotations

import pytest
from panther_protocol_quic.programs import root_of
from panther_protocol_quic.testing import run_together

from panther_core.testing import MakeProject

BOTH = ("http3", "retry", "resumption", "chacha20", "keyupdate", "versionnegotiation", "ipv6")


def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    outcome = run_together(panther_project, "ngtcp2", "ngtcp2", (*BOTH, "v2"))
    outcome.assert_verdicts({**dict.fromkeys(BOTH, "pass"), "v2": "unsupported"})


@pytest.mark.skipif(root_of("trixie") is None, reason="needs the files of Debian trixie: bash .ci/run roots")
def test_another_version_runs_from_the_files_of_another_release(panther_project: MakeProject) -> None:
    scenarios = ("handshake", "zerortt", "v2")
    outcome = run_together(panther_project, "ngtcp2-trixie", "ngtcp2-trixie", scenarios)
    outcome.assert_ok()
    outcome.assert_verdicts(dict.fromkeys(scenarios, "pass"))
