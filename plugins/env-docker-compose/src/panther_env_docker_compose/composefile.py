"""The compose file of one case, as a person would write it who knew the addresses."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from panther_lib_containers.mounts import Mount, system_mounts

from panther_env_docker_compose.addresses import Reservation
from panther_hookspecs import ResourceLimits, ServiceLaunch

_NETWORK = "between"
HOLDER = ".network"
"""Ends the name of what holds the network of a service; no service can have a dot in its name."""
_HEAD = """\
# Made by PANTHER for one attempt; it also runs alone, with all services at once:
#   docker compose -f compose.yaml up
# and afterwards: docker compose -f compose.yaml down --volumes
"""


@attrs.frozen(kw_only=True)
class Box:
    """One service on its way into a container."""

    launch: ServiceLaunch
    image: str
    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    read_only: bool


def _literal(text: str) -> str:
    """Return ``text`` so that Compose sees no variable in it."""
    return text.replace("$", "$$")


def compose_file(
    project: str,
    boxes: Sequence[Box],
    net: Reservation,
    labels: Mapping[str, str],
    *,
    options: Any,
    user: str,
    holder: str = "",
) -> str:
    """Return the text of the file; with ``holder``, an image, the network of each service is there before it is."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - only needed once a case runs

    ranges = [{"subnet": str(net.subnet)}]
    ipv6 = any(box.launch.endpoint.ip6 for box in boxes)
    network: dict[str, Any] = {
        "internal": options.internal,
        **({"enable_ipv6": True} if ipv6 else {}),
        "ipam": {"config": [*ranges, *([{"subnet": net.subnet6}] if ipv6 else [])]},
        "labels": dict(labels),
    }
    names = {box.launch.name for box in boxes}
    services: dict[str, Any] = {}
    for box in boxes:
        name, own = box.launch.name, {**labels, "panther.service": box.launch.name}
        services[name] = _service(box, names, own, options.pull, user) | _joined(box.launch, held=bool(holder))
        if holder:
            services[name + HOLDER] = _holder(box.launch, holder, own, user)
    yaml, stream = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"name": project, "services": services, "networks": {_NETWORK: network}}, stream)
    return _HEAD + stream.getvalue()


def _service(box: Box, names: set[str], labels: Mapping[str, str], pull: str, user: str) -> dict[str, Any]:
    launch, program = box.launch, box.launch.command.program
    needed = [name for name in launch.depends_on if name in names]
    return {
        "image": box.image,
        "pull_policy": pull,
        **({"depends_on": needed} if needed else {}),
        "entrypoint": [_literal(text) for text in launch.command.argv],
        "command": [],
        "working_dir": _literal(program.working_dir or str(launch.folder)),
        "environment": {key: _literal(value) for key, value in {**box.environment, **program.env}.items()},
        "volumes": [_volume(mount) for mount in box.mounts],
        **({"read_only": True, "tmpfs": ["/tmp"]} if box.read_only else {}),  # noqa: S108 - the container's own
        "user": user,
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        **_limits(launch.limits),
        "stop_signal": str(int(launch.stop_signal)),
        "stop_grace_period": f"{math.ceil(launch.stop_grace * 1000)}ms",
        "logging": {
            "driver": "json-file",
            "options": {"max-size": f"{max(launch.output_limit, 1024)}", "max-file": "1"},
        },
        "labels": dict(labels),
    }


def _joined(launch: ServiceLaunch, *, held: bool) -> dict[str, Any]:
    """Return how a service is on the network: by itself, or because somebody holds its place there."""
    return {"network_mode": f"service:{launch.name}{HOLDER}"} if held else _place(launch)


def _place(launch: ServiceLaunch) -> dict[str, Any]:
    addresses = {"ipv4_address": launch.endpoint.ip, "ipv6_address": launch.endpoint.ip6}
    return {"hostname": launch.name, "networks": {_NETWORK: {key: value for key, value in addresses.items() if value}}}


def _holder(launch: ServiceLaunch, image: str, labels: Mapping[str, str], user: str) -> dict[str, Any]:
    """Return what is on the network before a service is, so that links and recorders are in place when it starts."""
    place = _place(launch)
    place["networks"][_NETWORK]["aliases"] = [launch.name]
    return {
        "image": image,
        "pull_policy": "never",
        **place,
        "entrypoint": ["sleep", "infinity"],
        "volumes": [_volume(mount) for mount in system_mounts()],
        "read_only": True,
        "user": user,
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "labels": dict(labels),
    }


def _volume(mount: Mount) -> dict[str, Any]:
    path = _literal(mount.path)
    return {"type": "bind", "source": path, "target": path, **({} if mount.writable else {"read_only": True})}


def _limits(limits: ResourceLimits) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if limits.cpu:
        kept["cpus"] = float(limits.cpu)
    if limits.memory:
        kept |= {"mem_limit": int(limits.memory), "memswap_limit": int(limits.memory)}
    if limits.processes:
        kept["pids_limit"] = limits.processes + 1  # the init of the container is one more
    if limits.files:
        kept["ulimits"] = {"nofile": limits.files}
    return kept
