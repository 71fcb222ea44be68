"""What PANTHER loads: the report ``testplan``, and the test type that holds services for a driver."""

from __future__ import annotations

from collections.abc import Iterable

from panther_hookspecs import ReportDescriptor, Stage, TestTypeDescriptor, hookimpl
from panther_report_testplan.holding import hold
from panther_report_testplan.report import write


@hookimpl
def panther_register_reports() -> Iterable[ReportDescriptor]:
    """Announce the report."""
    yield ReportDescriptor(
        name="testplan",
        filename="testplan.json",
        summary="A report of Testplan, for tpsreport and its viewer",
        write=write,
        exports=True,
    )


@hookimpl
def panther_register_test_types() -> Iterable[TestTypeDescriptor]:
    """Announce the test type that a driver of Testplan uses."""
    yield TestTypeDescriptor(
        name="held",
        summary="Starts the services and keeps them until they are released, for drivers of other test programs",
        stages=(Stage("hold", hold),),
    )
