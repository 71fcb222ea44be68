"""What has to be set up so that the relay stands where the switch of a segment would be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs

from panther_hookspecs import LinkSetup, LinkTask

_PROGRAM = Path(__file__).with_name("relay.py")


def set_up(task: LinkTask) -> LinkSetup:
    """Write down what the relay has to do, and say how it is started."""
    spec, report = (task.folder / f"relay-{task.name}{end}.json" for end in ("", "-report"))
    pipes = [
        {"name": each.name, "port": task.ports.index(each.port), "pairs": each.pairs, **attrs.asdict(each.spec)}
        for each in task.flows
    ]
    ports = [{"interface": each.peer, "mac": each.mac} for each in task.ports]
    content = {"seed": task.seed, "report": str(report), "ports": ports, "pipes": pipes}
    spec.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return LinkSetup(switch=(sys.executable, "-I", "-S", str(_PROGRAM), str(spec)), report=report)
