"""quinn is built, and does with itself what its data claims."""

from __future__ import annotations

import shutil

import pytest
from panther_protocol_quic.testing import prove_with_itself

from panther_core.testing import MakeProject


@pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo")
@pytest.mark.timeout(1800)
def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    prove_with_itself(panther_project, "quinn", ("http3", "keyupdate", "ipv6"), builds="a minute")
