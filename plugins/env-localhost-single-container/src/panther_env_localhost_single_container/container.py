"""The one container of a case, as the engine is asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from panther_lib_containers.mounts import Mount

from panther_hookspecs import ServiceLaunch

_IDLE = ("sleep", "infinity")
"""What the container itself does; the services are started beside it."""


def container_of(
    launches: Sequence[ServiceLaunch],
    mounts: Iterable[Mount],
    labels: Mapping[str, str],
    *,
    image: str,
    user: str,
    path: str,
) -> dict[str, Any]:
    """Return the request for a container in which all services find what they need; ``path`` if /usr is ours."""
    files = launches[0].limits.files if launches else 0
    return {
        "Image": image,
        "Entrypoint": list(_IDLE),
        "Cmd": [],
        "User": user,
        "Hostname": "all",
        "Env": [f"PATH={path}"] if path else [],
        "Labels": dict(labels),
        "HostConfig": {
            "NetworkMode": "none",
            "ExtraHosts": [f"{name}:{address}" for name, address in _names(launches)],
            "Sysctls": {"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.default.disable_ipv6": "0"},
            "Init": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "ReadonlyRootfs": bool(path),
            "Tmpfs": {"/tmp": ""} if path else {},  # noqa: S108 - the container's own
            "Mounts": [_mount(each) for each in _merged(mounts)],
            **({"Ulimits": [{"Name": "nofile", "Soft": files, "Hard": files}]} if files else {}),
        },
    }


def _names(launches: Sequence[ServiceLaunch]) -> Iterator[tuple[str, str]]:
    for launch in launches:
        for address in filter(None, (launch.endpoint.ip, launch.endpoint.ip6)):
            yield launch.name, address


def _merged(mounts: Iterable[Mount]) -> list[Mount]:
    """Return each path once, writable if it is for any service."""
    found: dict[str, bool] = {}
    for each in mounts:
        found[each.path] = found.get(each.path, False) or each.writable
    return [Mount(path, writable) for path, writable in sorted(found.items())]


def _mount(mount: Mount) -> dict[str, Any]:
    return {"Type": "bind", "Source": mount.path, "Target": mount.path, "ReadOnly": not mount.writable}
