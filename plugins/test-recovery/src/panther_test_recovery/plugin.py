"""What PANTHER loads: the test type ``recovery``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import Need, Stage, TestTypeDescriptor, hookimpl
from panther_test_recovery.disks import give_back, lay_out
from panther_test_recovery.options import RecoveryOptions, changes_links
from panther_test_recovery.refusals import refuse
from panther_test_recovery.stages import inflict, judge, mend


@hookimpl
def panther_register_test_types() -> Iterable[TestTypeDescriptor]:
    """Announce ``recovery``."""
    yield TestTypeDescriptor(
        name="recovery",
        summary="Breaks services and links at defined moments, and measures how long and how well they come back",
        options=RecoveryOptions,
        stages=(
            Stage("disks", lay_out, moment="before"),
            Stage("faults", inflict),
            Stage("mend", mend, always=True),
            Stage("recovery", judge),
            Stage("files", give_back, moment="after"),
        ),
        exclusive=True,
        refuse=refuse,
        changes_links=changes_links,
        needs=(Need("linux", "linux", why="processes are stopped by signals, and disks are file systems in memory"),),
    )
