"""Plans for clients: the same command line for every implementation, another program."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from panther_hookspecs import Output, Readiness, ServiceContext, ServicePlan, ShellCommand
from panther_protocol_mqtt.driving import READY

CLIENT_ROLES = ("subscriber", "publisher")


def client_plan(program: Path, context: ServiceContext) -> ServicePlan:
    """Return the plan of a publisher or subscriber; ``program`` calls :func:`panther_protocol_mqtt.driving.main`."""
    broker = next(name for name, role in context.roles.items() if role == "broker")
    arguments = {
        "--dir": "{dir}",
        "--name": context.name,
        "--host": f"{{{broker}.ip}}",
        "--port": f"{{{broker}.port}}",
        "--scenario": context.scenario,
        "--parameters": json.dumps(dict(context.parameters)),
        "--seed": str(context.seed),
    }
    words = [word for pair in arguments.items() for word in pair]
    subscribes = context.role == "subscriber"
    return ServicePlan(
        run=ShellCommand(sys.executable, ("-I", program, context.role, *words)),
        ready=Readiness(kind="log", pattern=READY) if subscribes else Readiness(),
        ends_by_itself=True,
        outputs=(Output(pattern="transcript.jsonl", kind="transcript"),),
        runtime="python",
    )
