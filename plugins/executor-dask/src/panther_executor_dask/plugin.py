"""Announces the provisioner ``dask``."""

from __future__ import annotations

from collections.abc import Iterator

from panther_executor_dask.cluster import DaskOptions, DaskWorkers
from panther_hookspecs import ProvisionerDescriptor, hookimpl


@hookimpl
def panther_register_provisioners() -> Iterator[ProvisionerDescriptor]:
    """Yield the source of systems; Dask is imported when the first is asked for."""
    yield ProvisionerDescriptor(
        name="dask", summary="The workers of a Dask cluster", factory=DaskWorkers, options=DaskOptions
    )
