"""The command ``panther recording``: makes a recording of the packets of a case."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panther_hookspecs import CommandContext, ConfigurationException
from panther_test_replay.recording import load_recording


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the command."""
    parser.add_argument("run", metavar="RUN", help="the run: its folder, its name, or last")
    parser.add_argument(
        "--case", metavar="CASE", default="", help="name or id of the case (default: the first with a capture)"
    )
    parser.add_argument("--port", type=int, required=True, metavar="N", help="the server's port")
    parser.add_argument(
        "--transport", choices=("udp", "tcp"), default="udp", help="what the server speaks (default: udp)"
    )
    parser.add_argument(
        "--every", action="store_true", help="datagrams: all conversations with that server, not only the first"
    )
    parser.add_argument("--output", "-o", type=Path, required=True, metavar="FILE", help="the file to write")


def run(arguments: argparse.Namespace, context: CommandContext) -> int:
    """Write the recording; return the exit code."""
    view = context.open_run(arguments.run)
    for case in view.cases():
        captures = [each["path"] for each in case["artifacts"] if each["kind"] == "capture"]
        if captures and arguments.case in ("", case["name"], case["case"]):
            path = view.folder / str(case["folder"]) / captures[0]
            return _write(path, case, arguments, context)
    raise ConfigurationException(
        f"no case of {view.folder}{f' called {arguments.case!r}' if arguments.case else ''} has a capture\n"
        "  try: capture: true in the experiment, in a network environment that can, such as netns"
    )


def _write(path: Path, case: Mapping[str, Any], arguments: argparse.Namespace, context: CommandContext) -> int:
    if arguments.every and arguments.transport != "udp":
        raise ConfigurationException("--every joins conversations of datagrams; each stream is a recording of its own")
    found = load_recording(
        path, protocol=case["protocol"], transport=arguments.transport, port=arguments.port, every=arguments.every
    )
    arguments.output.write_bytes(found.content())
    context.say(f"{len(found.messages)} messages of {case['name']} in {arguments.output}")
    return 0
