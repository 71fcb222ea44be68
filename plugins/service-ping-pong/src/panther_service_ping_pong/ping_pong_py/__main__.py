"""Runs MiniP's server or client: ``python -I ping_pong_py server --port 7117``."""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys

sys.path.insert(0, os.path.abspath(__file__ + "/../../.."))  # runs from its folder alone, installed or not

from panther_service_ping_pong.ping_pong_py.client import Client, Outcome
from panther_service_ping_pong.ping_pong_py.port import Port, Stopped, Transcript, say
from panther_service_ping_pong.ping_pong_py.server import Server

STOPPED, UNUSABLE = 0, 3


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="MiniP server and client; see the reference page of the protocol.")
    parser.add_argument("role", choices=("server", "client"))
    parser.add_argument("--dir", default=".", help="where transcript and files go")
    parser.add_argument("--name", default="", help="tells clients with the same seed apart")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--dice", default="0", help="seed of the variant random")
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument(
        "--variant", default="functional", choices=("functional", "random", "fail", "flaky", "vulnerable")
    )
    parser.add_argument("--chance", type=float, default=0.5, help="share of right sessions of the variant random")
    parser.add_argument("--address", default="127.0.0.1", help="own address")
    parser.add_argument("--port", type=int, default=7117, help="the server's port")
    parser.add_argument("--versions", default="1", help="server: versions spoken")
    parser.add_argument("--version", default="1", help="client: version offered")
    parser.add_argument("--connect", default="127.0.0.1", help="client: address of the server")
    parser.add_argument("--scenario", default="ping", choices=("ping", "transfer", "greet", "refuse", "idle", "probe"))
    for name, kind, default in (
        ("count", int, 5),
        ("size", int, 32),
        ("interval", float, 0.01),
        ("duration", float, 1.0),
        ("length", int, 2000),
    ):
        parser.add_argument(f"--{name}", type=kind, default=default, help="client: parameter of a scenario")
    return parser.parse_args()


def play(options: argparse.Namespace, transcript: Transcript) -> tuple[int, str]:
    """Play the role; return the exit code and the word for it."""
    try:
        own = options.port if options.role == "server" else 0
        port = Port(options.address, own, transcript=transcript, trusting=options.variant == "vulnerable")
        if options.role == "server":
            Server(port, options).serve()
        port.connect(options.connect, options.port)
        return Client(port, options, transcript).play()
    except Stopped:
        return STOPPED, "stopped"
    except Outcome as outcome:
        sys.stderr.write(f"{outcome}\n")
        return outcome.code, outcome.word
    except OSError as error:
        sys.stderr.write(f"cannot work at {options.address}: {error}\n")
        return UNUSABLE, "unusable"


def main() -> int:
    """Run the program; return its exit code."""
    # Shows where a crash was, and gives signals a stack, without which valgrind cannot deliver them in select().
    faulthandler.enable()
    options = arguments()
    transcript = Transcript(os.path.join(options.dir, "transcript.jsonl"))
    spoken = options.versions if options.role == "server" else options.version
    transcript.note("start", role=options.role, program="ping-pong-py", versions=spoken, seed=options.seed)
    code, result = play(options, transcript)
    transcript.note("end", result=result, code=code)
    say(f"{result}, exit code {code}")
    return code


if __name__ == "__main__":
    sys.exit(main())
