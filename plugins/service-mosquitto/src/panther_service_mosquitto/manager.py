"""From options to the broker's configuration, or to the program that drives the clients."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
from panther_protocol_mqtt.clients import client_plan

from panther_hookspecs import (
    Output,
    Readiness,
    ServiceContext,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    option,
)

HERE = Path(__file__).parent


@attrs.frozen(kw_only=True)
class MosquittoOptions:
    """What the experiment says about the broker."""

    settings: tuple[str, ...] = option(
        (), help="Lines for the broker's configuration file, such as 'max_queued_messages 100'."
    )


@attrs.frozen
class Configuration:
    """Makes the broker's configuration file when its address is known."""

    settings: tuple[str, ...]

    def __call__(self, known: Mapping[str, str]) -> Mapping[str, bytes]:
        """Return the file."""
        lines = (
            f"listener {known['self.port']} {known['self.ip']}",
            "allow_anonymous true",
            "user root",
            "persistence false",
            "log_dest stderr",
            "log_type all",
            "log_timestamp true",
            *self.settings,
        )
        return {"mosquitto.conf": "".join(f"{each}\n" for each in lines).encode()}


@attrs.frozen
class MosquittoManager(ServiceManager):
    """Plans the broker or a client."""

    options: MosquittoOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.role != "broker":
            return client_plan(HERE / "client.py", context)
        return ServicePlan(
            run=ShellCommand("mosquitto", ("-c", "{dir}/mosquitto.conf")),
            make_files=Configuration(self.options.settings),
            post_run=(ShellCommand(sys.executable, ("-I", HERE / "record.py", "{dir}")),),
            ready=Readiness(kind="tcp"),
            outputs=(Output(pattern="transcript.jsonl", kind="transcript"),),
        )
