"""What has to be set up so that the relay stands where the switch of a segment would be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import LinkFlow, LinkSetup, LinkTask, plain_state

_PROGRAM = Path(__file__).with_name("relay.py")


def set_up(task: LinkTask) -> LinkSetup:
    """Write down what the relay has to do, and say how it is started."""
    pipes = [
        {**_pipe(each), "port": task.ports.index(each.port), "pairs": each.pairs, "aliases": each.aliases}
        for each in task.flows
    ]
    ports = [{"interface": each.peer, "mac": each.mac} for each in task.ports]
    neighbours: dict[str, tuple[str, ...]] = {}
    for flow in task.flows:
        for node, line in _neighbours(flow, task):
            neighbours[node] = (*neighbours.get(node, ()), line)
    return attrs.evolve(_told(task, {"ports": ports, "pipes": pipes}), ip=neighbours)


def set_up_proxy(task: LinkTask) -> LinkSetup:
    """The same for a relay that stands between sockets."""
    doors = [
        {
            "there": f"{each.source}->{each.target}",
            "back": f"{each.target}->{each.source}",
            "transport": each.transport,
            "at": each.at,
            "to": each.to,
            "aliases": each.aliases,
        }
        for each in task.doors
    ]
    return _told(task, {"doors": doors, "pipes": [_pipe(each) for each in task.flows]})


def _pipe(flow: LinkFlow) -> dict[str, Any]:
    return {"name": flow.name, "link": flow.link, **plain_state(flow.spec)}


def _told(task: LinkTask, content: dict[str, Any]) -> LinkSetup:
    """Write down what a relay has to do; return how it is started."""
    spec, report, control = (task.folder / f"relay-{task.name}{end}" for end in (".json", "-report.json", ".socket"))
    content = {"seed": task.seed, "report": str(report), "control": str(control), **content}
    spec.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    argv = (sys.executable, "-I", "-S", str(_PROGRAM), str(spec))
    return LinkSetup(switch=argv, report=report, control=control)


def _neighbours(flow: LinkFlow, task: LinkTask) -> Iterator[tuple[str, str]]:
    """Yield what tells everybody on the segment where the addresses are that a NAT may give to the sender."""
    for port in task.ports:
        if port is not flow.port:
            for alias in (each for others in flow.aliases.values() for each in others):
                yield port.node, f"neigh replace {alias} lladdr {flow.port.mac} dev {port.interface} nud permanent"
