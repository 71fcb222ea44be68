"""Puts load on a server: ``python -I -S load --dialect FILE --connect IP --port N --rate 1000 --duration 2``.

A program of its own, standard library only, so that nothing but the load runs in its process.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # runs from its folder alone, installed or not

from panther_service_load.load import driver, punctual, wires
from panther_service_load.load.report import write_report

UNUSABLE, SILENT, WRONG = 3, 5, 6


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Open- and closed-loop load with a schedule that it keeps.")
    parser.add_argument("--dialect", required=True, help="Python file that speaks the protocol")
    parser.add_argument("--transport", default="udp", choices=("udp", "tcp"))
    parser.add_argument("--connect", default="127.0.0.1", help="address of the server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", default="", help="own address")
    parser.add_argument("--dir", default=".", help="where the report goes")
    parser.add_argument("--name", default="load", help="tells clients with the same seed apart")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--mode", default="open", choices=("open", "closed"))
    parser.add_argument("--arrivals", default="even", choices=("even", "random"))
    parser.add_argument(
        "--rate", type=float, default=1000.0, help="requests a second; closed loop: at most, 0: no limit"
    )
    parser.add_argument("--duration", type=float, default=1.0, help="seconds of the measured part")
    parser.add_argument("--warmup", default="0", help="seconds before it, or auto")
    parser.add_argument("--users", type=int, default=1, help="closed loop: requests that are under way at once")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds until a request counts as lost")
    parser.add_argument("--retry", type=float, default=0.0, help="seconds until a request is sent again; 0 is never")
    parser.add_argument("--precedence", action="store_true", help="open loop: run before other programs, if allowed")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="parameter of the dialect")
    return parser.parse_args()


def main() -> int:
    """Put the load on; return the exit code."""
    options = arguments()
    # A server must not take the requests of a second run in the same folder for repetitions of the first.
    options.name += f"-{1 + len(list(Path(options.dir).glob('run-*')))}"
    try:
        lines = [wires.Line(options, number) for number in range(options.connections)]
    except OSError as error:
        sys.stderr.write(f"cannot work: {error}\n")
        return UNUSABLE
    gc.disable()
    run = driver.Driver(options, lines)
    run.precedence = options.mode == "open" and options.precedence and punctual.be_punctual()
    opened = run.open_all()
    if opened:
        run.warm_up()
    sys.stdout.write("measuring\n" if opened else f"no answer from {options.connect} port {options.port}\n")
    sys.stdout.flush()
    if opened:
        run.measure()
    run.close_all()
    found = write_report(run, Path(options.dir))
    counts = ", ".join(f"{name} {found[name]}" for name in ("planned", "sent", "answered", "wrong", "lost"))
    sys.stdout.write(f"{counts}\n")
    if not opened or not found["answered"]:
        return SILENT
    return WRONG if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
