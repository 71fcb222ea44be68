"""From options to the command line of the player."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
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


@attrs.frozen
class PlayerManager(ServiceManager):
    """Plans the player: of the client's side if it has a target, else of the server's."""

    options: Any

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.encrypted:
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
        arguments = [side, "--recording", f"{{dir}}/{RECORDING}", "--dir", "{dir}", "--transport", recording.transport]
        arguments += ["--address", f"{{self.{family}}}", "--port", f"{{{server}.port}}"]
        arguments += ["--connect", f"{{{server}.{family}}}"] if side == "client" else []
        arguments += ["--dialect", str(context.dialect)] if context.dialect else []
        arguments += ["--timing", self.options.timing, "--speed", f"{self.options.speed:.15g}"]
        arguments += ["--patience", f"{float(self.options.patience):.15g}"]
        arguments += ["--adapt"] if self.options.adapt else []
        return ServicePlan(
            run=ShellCommand(sys.executable, ("-I", "-S", str(HERE / "replay"), *arguments)),
            files={RECORDING: recording.content()},
            ends_by_itself=side == "client",
            ready=Readiness(kind="log", pattern="playing the ") if side == "server" else Readiness(),
            outputs=(Output(pattern="replay.json", kind="replay"), Output(pattern="replayed.jsonl", kind="replay")),
            runtime="python",
        )
