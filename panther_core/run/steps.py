"""Changes links at the times that an experiment gives, while the stages of a case go on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from panther_core.run.control import Control
from panther_hookspecs import (
    LinkSpec,
    LinkStep,
    PantherExperimentError,
    described_change,
    directions_changed,
    link_between,
)

_Taken = tuple[str, Sequence[tuple[str, str]], LinkStep]


def steps_of(links: Mapping[str, LinkSpec], services: Sequence[str]) -> list[_Taken]:
    """Return every step with its link and the directions in which that link is in force, earliest first."""
    found: list[_Taken] = []
    for name, spec in links.items():
        for step in spec.steps:
            concerned = directions_changed(name, step, services)
            directions = [pair for pair in concerned if link_between(links, *pair)[0] == name]
            if directions:
                found.append((name, directions, step))
    return sorted(found, key=lambda each: each[2].at)


@contextlib.contextmanager
def stepping(links: Mapping[str, LinkSpec], control: Control, notes: list[str], problems: list[str]) -> Iterator[None]:
    """Take the steps of all links within this block, counted from its beginning; those after its end do not happen."""
    steps = steps_of(links, tuple(control.launches))
    if not steps:
        yield
        return
    over = threading.Event()
    worker = threading.Thread(target=_take, args=(steps, control, over, notes, problems), name="steps", daemon=True)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def _take(
    steps: Sequence[_Taken], control: Control, over: threading.Event, notes: list[str], problems: list[str]
) -> None:
    start = time.monotonic()
    for number, (link, directions, step) in enumerate(steps):
        if over.wait(max(0.0, start + step.at - time.monotonic())):
            left = ", ".join(f"{each.at:g} s" for _, _, each in steps[number:])
            notes.append(f"the case was over before these steps of its links: {left}")
            return
        try:
            moment = control.apply(link, directions, step)
        except PantherExperimentError as error:
            problems.append(str(error))
            return
        notes.append(f"link {link}: {described_change(step)} after {moment - start:.3f} s")
