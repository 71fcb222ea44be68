"""qh3 does with itself what its data claims."""

from __future__ import annotations

from panther_protocol_quic.testing import run_together

from panther_core.testing import MakeProject

SCENARIOS = ("transfer", "http3", "zerortt", "multiplexing", "keyupdate")


def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    outcome = run_together(panther_project, "qh3", "qh3", SCENARIOS)
    outcome.assert_ok()
    outcome.assert_verdicts(dict.fromkeys(SCENARIOS, "pass"))
