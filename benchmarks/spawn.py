"""What starting and reaping a trivial program costs through the supervisor, beside plain subprocess.run.

Run it as ``python benchmarks/spawn.py``. Absolute times depend on the machine and its load; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from panther_core.process import Supervisor
from panther_hookspecs import ServiceCommand, ShellCommand

COMMAND = ServiceCommand(program=ShellCommand("/bin/true"))


def measure(one: Callable[[Path], None], folder: Path, count: int, slots: int) -> tuple[float, float]:
    """Return wall and our own CPU milliseconds for each of ``count`` calls that ``slots`` threads make."""
    folders = [folder / str(slot) for slot in range(slots)]
    for each in folders:
        each.mkdir(exist_ok=True)

    def work(own: Path) -> None:
        for _ in range(count // slots):
            one(own)

    threads = [threading.Thread(target=work, args=(each,)) for each in folders]
    used, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return wall / count * 1000, cpu / count * 1000


def plain(folder: Path) -> None:
    """Run the program the way any Python program would, with the same evidence kept."""
    with (folder / "stdout").open("ab") as out, (folder / "stderr").open("ab") as err:
        subprocess.run(
            COMMAND.argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            check=True,
            start_new_session=True,
        )


def main() -> None:
    """Measure in interleaved rounds and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    given = parser.parse_args()
    rows: dict[str, list[tuple[float, float]]] = {"supervisor": [], "subprocess.run": []}
    with tempfile.TemporaryDirectory() as name, Supervisor.start(run_id="benchmark") as supervisor:

        def ours(folder: Path) -> None:
            status = supervisor.launcher.start(COMMAND, name="x", folder=folder).wait()
            assert status is not None
            assert status.ok

        for _ in range(given.rounds):
            rows["supervisor"].append(measure(ours, Path(name), given.count, given.slots))
            rows["subprocess.run"].append(measure(plain, Path(name), given.count, given.slots))
    medians = {who: [statistics.median(column) for column in zip(*values, strict=True)] for who, values in rows.items()}
    (wall, cpu), (plain_wall, plain_cpu) = medians["supervisor"], medians["subprocess.run"]
    print(
        json.dumps(
            {
                "slots": given.slots,
                "supervisor": {"wall_ms": round(wall, 3), "engine_cpu_ms": round(cpu, 3)},
                "subprocess.run": {"wall_ms": round(plain_wall, 3), "engine_cpu_ms": round(plain_cpu, 3)},
                "ratio": {"wall": round(wall / plain_wall, 2), "engine_cpu": round(cpu / plain_cpu, 2)},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
