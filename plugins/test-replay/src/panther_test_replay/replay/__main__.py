"""Plays one side of a recording: ``python -I -S replay client --recording FILE --connect IP --port N``.

A program of its own, standard library only. What it sends is what was recorded, byte for byte, unless ``--adapt``.
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from its folder alone, installed or not

from panther_test_replay.replay.compare import report
from panther_test_replay.replay.player import Player
from panther_test_replay.replay.wires import Dialect, Stopped, Wire, dialect_of

UNUSABLE = 3


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Plays one side of a recorded conversation.")
    parser.add_argument("side", choices=("client", "server"))
    parser.add_argument("--recording", required=True)
    parser.add_argument("--dialect", default="", help="Python file of the protocol, to compare and adapt messages")
    parser.add_argument("--transport", default="udp", choices=("udp", "tcp"))
    parser.add_argument("--address", default="127.0.0.1", help="own address")
    parser.add_argument("--connect", default="127.0.0.1", help="client: address of the server")
    parser.add_argument("--port", type=int, required=True, help="the server's port")
    parser.add_argument("--dir", default=".", help="where the report goes")
    parser.add_argument("--timing", default="original", choices=("original", "none"))
    parser.add_argument("--speed", type=float, default=1.0, help="original timing: so many times as fast")
    parser.add_argument("--patience", type=float, default=1.0, help="seconds to wait for an answer")
    parser.add_argument("--adapt", action="store_true", help="server: fit recorded answers to what the client says")
    return parser.parse_args()


def recorded(path: str) -> list[tuple[float, str, bytes]]:
    """Return time, side and data of every message."""
    lines = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [(each["t"], each["from"], base64.b64decode(each["data"])) for each in lines[1:-1]]


def main() -> int:
    """Play; return the exit code."""
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    messages = recorded(options.recording)
    dialect = dialect_of(options.dialect)
    try:
        wire = Wire(options)
    except OSError as error:
        sys.stderr.write(f"cannot work at {options.address}: {error}\n")
        return UNUSABLE
    player = Player(wire, messages, options, dialect)
    sys.stdout.write(f"playing the {options.side} of {len(messages)} messages at port {options.port}\n")
    sys.stdout.flush()
    try:
        player.play()
    except Stopped:
        sys.stdout.write("stopped\n")
    return _tell(player, messages, options, dialect)


def _tell(player: Player, messages: list[tuple[float, str, bytes]], options: Any, dialect: Dialect) -> int:
    player.write(Path(options.dir, "replayed.jsonl"))
    found = report(player, messages, options.side, dialect, stream=options.transport == "tcp")
    Path(options.dir, "replay.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"sent {found['sent']}, got {found['got']}, {len(found['differences'])} differences\n")
    return 0


def _stop(*_: object) -> None:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
