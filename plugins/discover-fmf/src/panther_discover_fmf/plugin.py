"""Announces the discovery, the protocol, the implementation and the report ``fmf``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from panther_discover_fmf.judge import check
from panther_discover_fmf.manager import FmfManager, FmfOptions
from panther_discover_fmf.options import DiscoverOptions
from panther_discover_fmf.report import write_results
from panther_hookspecs import (
    DiscoveryDescriptor,
    ProtocolDescriptor,
    ReportDescriptor,
    Role,
    ServiceDescriptor,
    TestScenario,
    hookimpl,
)


def _find(options: Any, folder: Path) -> Iterable[Mapping[str, Any]]:
    from panther_discover_fmf.discover import find  # noqa: PLC0415 - reading metadata costs more than most commands

    return find(options, folder)


@hookimpl
def panther_register_discoveries() -> Iterator[DiscoveryDescriptor]:
    """Yield the source of test cases."""
    yield DiscoveryDescriptor(
        name="fmf", summary="Tests of a tree of fmf metadata", find=_find, options=DiscoverOptions
    )


@hookimpl
def panther_register_protocols() -> Iterator[ProtocolDescriptor]:
    """Yield what judges a test: it speaks no protocol, but by its exit code, or by results that it writes."""
    yield ProtocolDescriptor(
        name="fmf",
        summary="A test that says itself how it went",
        roles=(Role(name="test"),),
        scenarios=(TestScenario(name="test", summary="run it and ask it", check=check),),
    )


@hookimpl
def panther_register_services() -> Iterator[ServiceDescriptor]:
    """Yield what runs a test with the environment that tests for tmt expect."""
    yield ServiceDescriptor(
        name="fmf",
        summary="A shell test in the environment that tmt gives to tests",
        factory=FmfManager,
        options=FmfOptions,
        protocol="fmf",
        roles=("test",),
    )


@hookimpl
def panther_register_reports() -> Iterator[ReportDescriptor]:
    """Yield the report that other tools read."""
    yield ReportDescriptor(
        name="tmt-results",
        summary="The results as tmt's results.yaml",
        filename="results.yaml",
        write=write_results,
        exports=True,
    )
