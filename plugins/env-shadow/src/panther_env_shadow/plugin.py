"""What PANTHER loads: the network environment ``shadow_ns`` and the execution environment ``shadow_syscalls``."""

from __future__ import annotations

from collections.abc import Iterable

from panther_env_shadow.environment import ShadowEnvironment
from panther_env_shadow.options import ShadowOptions
from panther_env_shadow.preflight import WHERE_TO_GET
from panther_env_shadow.simulation import SYSCALLS
from panther_env_shadow.syscalls import SyscallLog
from panther_hookspecs import (
    ExecutionEnvironmentDescriptor,
    Need,
    NetworkEnvironmentDescriptor,
    hookimpl,
)

_SHADOW = Need("tool", "shadow", why=WHERE_TO_GET)


@hookimpl
def panther_register_network_environments() -> Iterable[NetworkEnvironmentDescriptor]:
    """Announce ``shadow_ns``."""
    yield NetworkEnvironmentDescriptor(
        name="shadow_ns",
        summary="The Shadow simulator: real programs in simulated time, the same again for the same seed.",
        factory=ShadowEnvironment,
        options=ShadowOptions,
        needs=(
            _SHADOW,
            Need("linux", "linux", why="Shadow loads itself into programs of Linux"),
            Need("tool", "setarch", package="util-linux", why="it shows whether programs can have fixed addresses"),
        ),
        capabilities=frozenset({"delay", "loss", "rate", "capture", "rootless", "deterministic_time"}),
        batch=True,
        instruments=frozenset({SYSCALLS}),
    )


@hookimpl
def panther_register_execution_environments() -> Iterable[ExecutionEnvironmentDescriptor]:
    """Announce ``shadow_syscalls``."""
    yield ExecutionEnvironmentDescriptor(
        name=SYSCALLS,
        summary="The simulator's own log of a service's system calls; only in shadow_ns.",
        factory=SyscallLog,
        needs=(_SHADOW,),
        networks=("shadow_ns",),
    )
