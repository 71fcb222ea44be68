"""kwik is built, and does with itself what its data claims."""

from __future__ import annotations

import shutil

import pytest
from panther_protocol_quic.testing import prove_with_itself

from panther_core.testing import MakeProject


@pytest.mark.skipif(shutil.which("mvn") is None, reason="needs mvn")
@pytest.mark.timeout(1800)
def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    prove_with_itself(panther_project, "kwik", ("http3", "keyupdate", "v2", "ipv6"))
