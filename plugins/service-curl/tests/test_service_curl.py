"""curl fetches what its data claims."""

from __future__ import annotations

import pytest
from panther_protocol_quic.programs import root_of
from panther_protocol_quic.testing import run_together

from panther_core.testing import MakeProject

SCENARIOS = ("http3", "multiplexing", "chacha20", "ipv6")


@pytest.mark.skipif(root_of("trixie") is None, reason="needs the files of Debian trixie: bash .ci/run roots")
def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    """One connection in some dozens waits for ever: curl sends its requests and never its control streams."""
    outcome = run_together(panther_project, "ngtcp2", "curl", SCENARIOS, tries=3)
    outcome.assert_ok()
    assert {each["name"] for each in outcome.cases()} == set(SCENARIOS)
