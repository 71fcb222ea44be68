"""From options to the command line of the player."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    ConfigurationException,
    Output,
    Readiness,
    ServiceContext,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    UnsupportedError,
)
from panther_test_replay.recording import load_recording

HERE = Path(__file__).parent
RECORDING = "recording.jsonl"
REQUESTS = "requests"
"""The transport of recordings that hold requests and answers instead of packets."""


@attrs.frozen
class PlayerManager(ServiceManager):
    """Plans the player: of the client's side if it has a target, else of the server's."""

    options: Any

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.encrypted and not (context.speaker and context.target):
            raise UnsupportedError(
                f"what was recorded of {context.protocol} cannot be sent again\n"
                "  because it is encrypted, with keys that are others in every session\n"
                "  try: repeat what the application said, with a client of the protocol"
            )
        side = "client" if context.target else "server"
        server, family = context.target or "self", "ip6" if self.options.ipv6 else "ip"
        recording = load_recording(
            self.options.recording,
            protocol=context.protocol,
            transport=context.transport or "udp",
            port=next(iter(context.ports.values()), 0),
        )
        if context.speaker is not None and (recording.transport == REQUESTS) != context.encrypted:
            raise ConfigurationException(
                f"{self.options.recording} is no recording of requests\n"
                f"  because nothing else of {context.protocol} can be repeated: its packets are encrypted\n"
                "  try: messages.jsonl in the folder of a client with implementation: load"
            )
        arguments = ["--recording", f"{{dir}}/{RECORDING}", "--dir", "{dir}"]
        arguments += ["--address", f"{{self.{family}}}", "--port", f"{{{server}.port}}"]
        arguments += ["--connect", f"{{{server}.{family}}}"] if side == "client" else []
        arguments += ["--timing", self.options.timing, "--speed", f"{self.options.speed:.15g}"]
        arguments += ["--patience", f"{float(self.options.patience):.15g}"]
        if context.encrypted:
            program = ["-I", str(context.speaker), "replay", *_settings(context)]
        else:
            program = ["-I", "-S", str(HERE / "replay"), side, "--transport", recording.transport]
            program += ["--dialect", str(context.dialect)] if context.dialect else []
            program += ["--adapt"] if self.options.adapt else []
        told = "messages.jsonl" if context.encrypted else "replayed.jsonl"
        return ServicePlan(
            run=ShellCommand(sys.executable, (*program, *arguments)),
            files={RECORDING: recording.content()},
            ends_by_itself=side == "client",
            ready=Readiness(kind="log", pattern="playing the ") if side == "server" else Readiness(),
            outputs=(Output(pattern="replay.json", kind="replay"), Output(pattern=told, kind="replay")),
            runtime="python",
        )


def _settings(context: ServiceContext) -> list[str]:
    """Return the parameters of the scenario that are single values."""
    plain = {name: each for name, each in context.parameters.items() if isinstance(each, str | int | float)}
    return [word for name, value in plain.items() for word in ("--set", f"{name}={value}")]
