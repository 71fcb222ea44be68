"""From launches to the configuration of one simulation: hosts, their times, what the simulator is told. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_env_shadow.options import Host, ShadowOptions, ShadowSettings
from panther_hookspecs import LayerRole, Problem, ServiceLaunch

SYSCALLS = "shadow_syscalls"
SERVICE = "PANTHER_SIMULATED"
"""The variable by which a simulated process is known among those of the machine."""
DATA, GRAPH, CONFIGURATION = "data", "graph.gml", "shadow.yaml"
_HOSTS = "network_environment.shadow.hosts"
_FIRST_ADDRESS = 10 << 24
_PATIENCE = "20 ms"
"""Simulated time that system calls may take in a row before the clock moves: more than those of a start, whose number
depends on where files are, and little enough for a program that waits by asking for the time."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@attrs.frozen(kw_only=True)
class Times:
    """When a service starts, and when it is asked to end, in simulated seconds."""

    start: float
    stop: float | None


@attrs.frozen(kw_only=True)
class Simulation:
    """All that Shadow is told about one case."""

    seed: int
    stop_time: float
    times: Mapping[str, Times]
    capture: bool
    capture_length: int
    settings: ShadowSettings
    traced: bool


def host_name(service: str) -> str:
    """Return the name of a service's host, which must be one that the name service allows."""
    return re.sub(r"[^a-z0-9.-]", "-", service.lower()).strip("-.") or "host"


def address_of(number: int) -> str:
    """Return the address of the n-th host, counted from 1."""
    value = _FIRST_ADDRESS + number
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def times_of(launches: Sequence[ServiceLaunch], options: ShadowOptions, stop_time: float) -> dict[str, Times]:
    """Return the times of all services: each after those it depends on, servers until just before the end."""
    depths: dict[str, int] = {}
    for launch in launches:
        depths[launch.name] = max((depths.get(each, -1) + 1 for each in launch.depends_on), default=0)
    found = {}
    for launch in launches:
        own = options.shadow.hosts.get(launch.name, Host())
        start = depths[launch.name] * options.shadow.start_interval if own.start is None else own.start
        last = None if launch.ends_by_itself else stop_time - min(launch.stop_grace, stop_time / 10)
        found[launch.name] = Times(start=float(start), stop=last if own.stop is None else float(own.stop))
    return found


def wrong_times(times: Mapping[str, Times], stop_time: float) -> Iterator[Problem]:
    """Yield what cannot be as the times say."""
    for name, each in times.items():
        end, told = (stop_time, "all is over") if each.stop is None else (each.stop, "it is asked to end")
        if each.start >= end or end > stop_time:
            yield Problem(
                what=f"{name} would start at {each.start:g} s of simulated time, and {told} at {end:g} s"
                + (f" of {stop_time:g} s" if end > stop_time else ""),
                where=f"{_HOSTS}.{name}",
                fix="a longer timeout of the case, or shadow.stop_time",
            )


def is_traced(launch: ServiceLaunch) -> bool:
    """Return whether the system calls of a service are asked for."""
    return any(each.by == SYSCALLS for each in launch.command.layers)


def foreign_layers(launch: ServiceLaunch) -> tuple[str, ...]:
    """Return who wants to stand between the simulator and the program, which nobody can."""
    layers = launch.command.layers
    return tuple(each.by for each in layers if each.argv and each.role is not LayerRole.ENVIRONMENT)


def command_of(launch: ServiceLaunch) -> dict[str, Any]:
    """Return a service's process: it begins in its folder, and sees the variables that it was given and no others."""
    program = launch.command.program
    folder = program.working_dir or str(launch.folder)
    layers = {key: value for layer in launch.command.layers for key, value in layer.env.items()}
    variables = {
        "PATH": _PATH,
        "HOME": folder,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        **program.env,
        **layers,
        SERVICE: launch.name,
    }
    return {"path": "env", "args": [f"--chdir={folder}", "--", *program.argv], "environment": variables}


def configuration(simulation: Simulation, launches: Sequence[ServiceLaunch], nodes: Mapping[str, int]) -> str:
    """Return the configuration; JSON is YAML too. Every process is expected to run until the end.

    Shadow tells how and when a process ended only if that was not expected: so it tells of all that end.
    """
    settings = simulation.settings
    hosts = {}
    for launch in launches:
        own, times = settings.hosts.get(launch.name, Host()), simulation.times[launch.name]
        process = {**command_of(launch), "start_time": _time(times.start), "expected_final_state": "running"}
        if times.stop is not None:
            process |= {"shutdown_time": _time(times.stop), "shutdown_signal": int(launch.stop_signal)}
        host: dict[str, Any] = {"network_node_id": nodes[launch.name], "ip_addr": launch.endpoint.ip}
        wanted = {"log_level": own.log_level, "pcap_enabled": own.capture}
        if chosen := {key: value for key, value in wanted.items() if value is not None}:
            host["host_options"] = chosen
        hosts[host_name(launch.name)] = {**host, "processes": [process]}
    content = {
        "general": {
            "stop_time": _time(simulation.stop_time),
            "seed": simulation.seed,
            "parallelism": settings.parallelism,
            "data_directory": DATA,
            "heartbeat_interval": "1 sec",
            "model_unblocked_syscall_latency": settings.model_unblocked_syscall_latency,
        },
        "network": {
            "graph": {"type": "gml", "file": {"path": settings.graph or GRAPH}},
            "use_shortest_path": bool(settings.graph),
        },
        "experimental": {
            "strace_logging_mode": "deterministic" if simulation.traced else "off",
            "use_cpu_pinning": False,
            "max_unapplied_cpu_latency": _PATIENCE,
            **settings.experimental,
        },
        "host_option_defaults": {
            "pcap_enabled": simulation.capture,
            "pcap_capture_size": f"{simulation.capture_length} B",
        },
        "hosts": hosts,
    }
    return json.dumps(content, indent=1) + "\n"


def _time(seconds: float) -> str:
    return f"{round(seconds * 1e9)} ns"
