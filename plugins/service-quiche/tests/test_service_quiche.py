"""quiche does with itself what its data claims."""

from __future__ import annotations

import shutil

import pytest
from panther_protocol_quic.testing import prove_with_itself

from panther_core.testing import MakeProject


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
def test_what_is_claimed_holds(panther_project: MakeProject) -> None:
    prove_with_itself(panther_project, "quiche", ("transfer", "retry", "resumption", "zerortt", "multiplexing", "ipv6"))
