"""TQUIC does with itself what its data claims, where it has been built."""

from __future__ import annotations

import pytest
from panther_protocol_quic.testing import prove_with_itself

from panther_core.testing import MakeProject


@pytest.mark.timeout(1800)
def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    prove_with_itself(
        panther_project,
        "tquic",
        ("http3", "multiplexing", "retry", "resumption", "zerortt", "ipv6"),
        builds="half an hour",
    )
