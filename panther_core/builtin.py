"""The capabilities that the engine brings itself, registered through the same hooks as everybody else's.

Each hook imports what it announces when it is asked: to list its commands, the console needs no more than those.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from panther_hookspecs import hookimpl

if TYPE_CHECKING:  # this module holds no attrs class
    from panther_hookspecs import (
        CommandDescriptor,
        ObserverDescriptor,
        ProvisionerDescriptor,
        ReportDescriptor,
        TestTypeDescriptor,
    )


@hookimpl
def panther_register_commands() -> Iterable[CommandDescriptor]:
    """Bring the commands of the console."""
    from panther_core.cli.builtin import descriptors  # noqa: PLC0415 - asked by itself for help

    return descriptors()


@hookimpl
def panther_register_observers() -> Iterable[ObserverDescriptor]:
    """Bring storage, metrics and log."""
    from panther_core.events.builtin import descriptors  # noqa: PLC0415 - not needed for help

    return descriptors()


@hookimpl
def panther_register_provisioners() -> Iterable[ProvisionerDescriptor]:
    """Bring the slots of this machine."""
    from panther_core.pool.slots import LocalOptions, local  # noqa: PLC0415 - the same
    from panther_hookspecs import ProvisionerDescriptor  # noqa: PLC0415 - not needed for help

    summary = "Slots of this machine, on request each with processors of its own"
    return (ProvisionerDescriptor(name="local", summary=summary, options=LocalOptions, factory=local),)


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Bring the reports for machines."""
    from panther_core.reports.builtin import descriptors  # noqa: PLC0415 - not needed for help

    return descriptors()


@hookimpl
def panther_register_test_types() -> Iterable[TestTypeDescriptor]:
    """Bring the default test type."""
    from panther_core.run.functional import FUNCTIONAL  # noqa: PLC0415 - not needed for help

    return (FUNCTIONAL,)
