"""The default test type: the clients and testers run to their end while the servers serve."""

from __future__ import annotations

from panther_hookspecs import CaseControl, Stage, TestTypeDescriptor


def _exchange(case: CaseControl) -> None:
    """Wait until every service that ends by itself has ended."""
    case.wait()


FUNCTIONAL = TestTypeDescriptor(
    name="functional",
    summary="Runs the services once and judges what they exchanged",
    stages=(Stage("exchange", _exchange, passive=True),),
)
"""What a case goes through unless it says ``type``."""
