"""What the live screen costs: processor time of a program with 200 running cases on a terminal, beside one without.

Run it as ``python benchmarks/screen.py``. Both programs take the same events at the same pace; the difference of their
processor times is what the screen takes of one core. The budget is 0.05.
"""

from __future__ import annotations

import argparse
import os
import pty
import statistics
import subprocess
import sys
import termios
import threading
import time

from panther_core.cli.live import LiveScreen
from panther_core.cli.screen import QuietScreen, Screen
from panther_hookspecs import ExperimentEvent, TestEvent

BUDGET = 0.05
SIZE = (30, 100)
PACE = 0.05
UNEXPECTED = 100
"""Every how many cases one is not as expected, which leaves lines above the screen."""


def event(number: int, action: str) -> TestEvent:
    verdict = "pass" if number % UNEXPECTED else "fail"
    facts = {
        "name": f"a case with a name of usual length [server=ping-pong-c, client=ping-pong-py] {number}",
        "cell": {},
        "repetition": 1,
        "attempt": 1,
        "verdict": verdict,
        "expected": ["pass"],
        "as_expected": verdict == "pass",
        "why": "the log of the client has no line that matches 'PONG'",
        "seconds": 4.0,
        "folder": f"cases/{number}/1",
    }
    return TestEvent(test_case_id=str(number), action=action, status=verdict, metadata=facts)


def show(screen: Screen, seconds: float, cases: int, rate: float) -> float:
    """Return the processor time of showing ``cases`` running cases, of which ``rate`` a second are replaced."""
    begun, began, done = time.process_time(), time.monotonic(), 0
    with screen:
        facts = {"total": 100_000, "jobs": cases, "run": "runs/benchmark"}
        screen.handle_event(
            ExperimentEvent(experiment_id="b", phase="test_execution", status="started", metadata=facts)
        )
        for number in range(cases):
            screen.handle_event(event(number, "started"))
        while (passed := time.monotonic() - began) < seconds:
            while done < passed * rate:
                screen.handle_event(event(done, "completed"))
                screen.handle_event(event(done + cases, "started"))
                done += 1
            time.sleep(PACE)
    return time.process_time() - begun


def measured(kind: str, args: argparse.Namespace) -> tuple[float, int]:
    """Run one program on a terminal of its own; return its processor time and the bytes that it wrote."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, SIZE)
    command = [sys.executable, __file__, "--seconds", str(args.seconds), "--cases", str(args.cases), "--inside", kind]
    written: list[int] = []
    reader = threading.Thread(target=lambda: written.append(drain(ours)))
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True) as program:
        os.close(theirs)
        reader.start()
        assert program.stderr is not None
        said = program.stderr.read()
    reader.join()
    os.close(ours)
    return float(said), written[0]


def drain(terminal: int) -> int:
    """Read what is written to a terminal until nobody can write any more; return how much it was."""
    total = 0
    try:
        while chunk := os.read(terminal, 65536):
            total += len(chunk)
    except OSError:
        pass  # Linux reports the end of a terminal as an error
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each program shows")
    parser.add_argument("--cases", type=int, default=200, help="cases at the same time")
    parser.add_argument("--rate", type=float, default=50.0, help="cases that end each second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inside", choices=("live", "quiet"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        screen = LiveScreen(sys.stdout, colours=True) if args.inside == "live" else QuietScreen(sys.stdout)
        sys.stderr.write(str(show(screen, args.seconds, args.cases, args.rate)))
        return
    shares = []
    for _ in range(args.rounds):
        quiet, _nothing = measured("quiet", args)
        live, size = measured("live", args)
        shares.append((live - quiet) / args.seconds)
        print(f"{shares[-1]:.4f} core, {size / args.seconds / 1000:.1f} kB/s to the terminal")
    print(f"median {statistics.median(shares):.4f} core with {args.cases} running cases, budget {BUDGET}")


if __name__ == "__main__":
    main()
