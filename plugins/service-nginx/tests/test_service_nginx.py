"""nginx serves what its data claims."""

from __future__ import annotations

import pytest
from panther_protocol_quic.programs import root_of
from panther_protocol_quic.testing import run_together

from panther_core.testing import MakeProject

SCENARIOS = ("http3", "retry", "resumption", "ipv6")


@pytest.mark.skipif(root_of("trixie") is None, reason="needs the files of Debian trixie: bash .ci/run roots")
def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    outcome = run_together(panther_project, "nginx", "ngtcp2", SCENARIOS)
    outcome.assert_ok()
    outcome.assert_verdicts(dict.fromkeys(SCENARIOS, "pass"))
