"""The capabilities that the engine brings itself, registered through the same hooks as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable

from panther_core.cli.builtin import descriptors as commands
from panther_core.events.builtin import descriptors as observers
from panther_core.orchestrator import LOCAL
from panther_core.reports.builtin import descriptors as reports
from panther_core.run.functional import FUNCTIONAL
from panther_hookspecs import (
    CommandDescriptor,
    ObserverDescriptor,
    ProvisionerDescriptor,
    ReportDescriptor,
    TestTypeDescriptor,
    hookimpl,
)


@hookimpl
def panther_register_commands() -> Iterable[CommandDescriptor]:
    """Bring the commands of the console."""
    return commands()


@hookimpl
def panther_register_observers() -> Iterable[ObserverDescriptor]:
    """Bring storage, metrics and log."""
    return observers()


@hookimpl
def panther_register_provisioners() -> Iterable[ProvisionerDescriptor]:
    """Bring the slots of this machine."""
    return (LOCAL,)


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Bring the reports for machines."""
    return reports()


@hookimpl
def panther_register_test_types() -> Iterable[TestTypeDescriptor]:
    """Bring the default test type."""
    return (FUNCTIONAL,)
