"""A large pool on paper: the pool's own rule over very many cases and systems, none of which is run.

python benchmarks/simulate_pool.py [--cases 1000000] [--slots 1000] [--unknown]
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from collections.abc import Iterator

import attrs

from panther_core.plan.cases import PlannedCase
from panther_core.pool.timetable import Summary, predict
from panther_core.run.functional import FUNCTIONAL
from panther_hookspecs import NetworkEnvironmentDescriptor, NetworkEnvironmentInterface, System

WINDOW_OF_A_SLOT = 100
NOWHERE = NetworkEnvironmentDescriptor(name="nowhere", summary="none", factory=NetworkEnvironmentInterface)
CASE = PlannedCase(case_id="", name="case", network=NOWHERE, network_options=None, test_type=FUNCTIONAL)


def cases(count: int) -> Iterator[PlannedCase]:
    """Yield cases with skewed durations, which stand in their time limits."""
    dice = random.Random(1)
    for number in range(count):
        yield attrs.evolve(CASE, case_id=str(number), timeout=dice.lognormvariate(2, 1))


def simulate() -> None:
    """Print makespan, bound, and what the simulation itself took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--slots", type=int, default=1000)
    parser.add_argument("--unknown", action="store_true", help="the pool knows no duration and takes them as they come")
    args = parser.parse_args()
    systems = [System(name=str(number), host=str(number)) for number in range(args.slots)]
    window = 1 if args.unknown else max(1000, WINDOW_OF_A_SLOT * args.slots)
    summary, since = Summary(), time.process_time()
    for _ in predict(cases(args.cases), lambda case: case.timeout, systems, summary=summary, window=window):
        pass
    spent, peak = time.process_time() - since, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bound = summary.bound(args.slots)
    print(
        f"{summary.cases:,} cases on {args.slots:,} slots: {summary.end:.0f} s, {summary.end / bound:.3f} x the bound"
    )
    print(f"{spent:.1f} s CPU, {spent / summary.cases * 1e6:.0f} us a case, {peak:.0f} MiB at most")


if __name__ == "__main__":
    simulate()
