"""Recovery times as the test type measures them, beside the same times in a packet capture.

These are the faults that make one pause in the packets; ``squeeze`` makes many, ``full_disk`` and ``rebind`` none.
Run it as ``python benchmarks/recovery.py`` where network namespaces can be made.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panther_test_replay.capture import read_capture

from panther_core.app import Panther, RunOptions

PORT = 7117
EXPERIMENT = """
name: recovery
protocol: minip
network_environment: netns
capture: true
repeat: {repeat}
test_cases:
  - name: recovery
    scenario: load
    type: {{type: recovery, faults: [{{at: 1s, {fault}}}]}}
    services:
      server: {{implementation: ping-pong-c}}
      client: {{implementation: load, rate: 500, duration: 2500ms, warmup: 0s}}
"""
FAULTS = {
    "kill": "do: kill, service: server, lasts: 300ms",
    "restart": "do: restart, service: server",
    "stop": "do: stop, service: server, lasts: 300ms",
    "blackhole": "do: blackhole, link: client-server, lasts: 300ms",
    "partition": "do: partition, link: client-server, lasts: 300ms",
    "lose": "do: lose, link: client->server, packets: 150",
}


def runs(fault: str, repeat: int, folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Run one kind of fault; yield folder and record of every attempt."""
    path = folder / f"{fault}.yaml"
    path.write_text(EXPERIMENT.format(repeat=repeat, fault=FAULTS[fault]), encoding="utf-8")
    summary = Panther.create().run(path, RunOptions(output=folder / fault))
    assert summary.run is not None
    for line in (summary.run / "results.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        yield summary.run / record["folder"], record


def captured(attempt: Path, record: Mapping[str, Any]) -> float:
    """Return the recovery time in the capture at the client: the longest pause of PONGs that the fault has caused."""
    (fault,) = json.loads((attempt / "recovery" / "faults.json").read_text(encoding="utf-8"))
    files = [each["path"] for each in record["artifacts"] if each["kind"] == "capture" and each["service"] == "client"]
    packets = [each for each in read_capture(attempt / files[0]) if each.source[1] == PORT]
    answers = sorted(each.time for each in packets if b" PONG " in each.payload[:16])
    pauses = [
        (later - before, later)
        for before, later in itertools.pairwise(answers)
        if later > fault["begin"] and before <= fault["over"] + 0.01
    ]
    return max(pauses)[1] - float(fault["begin"])


def main() -> None:
    """Print both times and their difference for every attempt, and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--faults", nargs="*", choices=tuple(FAULTS), default=list(FAULTS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        worst = 0.0
        for fault in options.faults:
            for attempt, record in runs(fault, options.repeat, Path(name)):
                found = [each["value"] for each in record["measurements"] if each["name"] == "recovery.seconds"]
                ours, theirs = found[0], captured(attempt, record)
                worst = max(worst, abs(ours - theirs))
                print(f"{fault:10} measured {ours:.4f} s, captured {theirs:.4f} s, {1e3 * (ours - theirs):+.2f} ms")
        print(f"largest difference {1e3 * worst:.2f} ms")


if __name__ == "__main__":
    main()
