"""What came of a load: one summary, and one line for each request."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from panther_service_load.load.driver import Driver

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
NEVER = float("inf")


def write_report(run: Driver, folder: Path) -> dict[str, Any]:
    """Write ``requests.csv`` and ``load.json``; return what is in the latter."""
    zero = time.time() - time.monotonic()
    numbers = range(run.first, len(run.due))
    right = {n: _right(run, n) for n in numbers if run.answered[n]}
    with (folder / "requests.csv").open("w", encoding="ascii") as file:
        file.write("number,due,sent,answered,right,tries\n")
        for n in numbers:
            moments = (f"{zero + each:.6f}" if each else "" for each in (run.due[n], run.sent[n], run.answered[n]))
            file.write(f"{n},{','.join(moments)},{int(right.get(n, False))},{run.tries[n]}\n")
    found = _summary(run, numbers, right)
    found["started"] = zero + run.began
    (folder / "load.json").write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    return found


def _right(run: Driver, number: int) -> bool:
    return bool(run.lines[number % len(run.lines)].dialect.right(number, run.answers[number]))


def _summary(run: Driver, numbers: range, right: dict[int, bool]) -> dict[str, Any]:
    sent = [n for n in numbers if run.sent[n]]
    seconds = run.ended - run.began
    begin = run.due if run.options.mode == "open" else run.sent
    good = [n for n in sent if right.get(n)]
    latency = [run.answered[n] - begin[n] if right.get(n) else NEVER for n in numbers]
    return {
        "v": 1,
        "mode": run.options.mode,
        "rate": run.options.rate,
        "planned": len(numbers),
        "sent": len(sent),
        "unsent": len(numbers) - len(sent),
        "answered": len(right),
        "wrong": len(right) - len(good),
        "lost": len(sent) - len(right),
        "again": sum(run.tries[n] - 1 for n in sent),
        "strangers": run.strangers,
        "seconds": seconds,
        "throughput": len(good) / seconds if seconds > 0 else 0.0,
        "busy": 1 - run.idle / seconds if seconds > 0 else 0.0,
        "precedence": run.precedence,
        "warmup": {"requests": run.first, "steady": run.steady},
        "start_error": percentiles([run.sent[n] - run.due[n] for n in sent]),
        "latency": percentiles(latency),
        "service_time": percentiles([run.answered[n] - run.sent[n] for n in good]),
    }


def percentiles(values: list[float]) -> dict[str, float | None]:
    """Return the percentiles; None for one that was never reached, because that many requests got no answer."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(SHARES)
    picked = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in SHARES.items()}
    return {name: None if value == NEVER else value for name, value in picked.items()}
