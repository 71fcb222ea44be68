"""What cannot be done is said before the run, at the fault that asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from panther_hookspecs import CaseOutline, Problem, directions_of
from panther_test_recovery.options import LASTING, LINK_FAULTS, Fault


def refuse(outline: CaseOutline) -> Iterator[Problem]:
    """Yield a problem for each fault that cannot be done to these services in this network environment."""
    faults = outline.options.faults
    if not faults:
        yield Problem(what="there is no fault to recover from", where="faults", fix="[{at: 1s, do: stop, ...}]")
    for number, fault in enumerate(faults):
        for what, why, fix in _wrong(fault, outline):
            yield Problem(what=what, where=f"faults.{number}", why=why, fix=fix)
        if number and fault.at < faults[number - 1].ends:
            yield Problem(
                what=f"{fault} begins before {faults[number - 1]} is over",
                where=f"faults.{number}.at",
                why="faults come one after the other, so that each has a recovery of its own",
                fix=f"at: {faults[number - 1].ends:g}s or later",
            )


def _wrong(fault: Fault, outline: CaseOutline) -> Iterator[tuple[str, str, str]]:
    services = tuple(outline.services)
    if fault.do in LINK_FAULTS:
        links = ", ".join(f"{one}-{other}" for one in services for other in services if one < other)
        if not directions_of(fault.link, services):
            yield f"{fault.do} needs a link of this case", f"link is {fault.link!r}", f"one of {links}"
    elif fault.service not in services:
        yield f"{fault.do} needs a service", f"service is {fault.service!r}", f"one of {', '.join(services)}"
    if fault.do in LASTING and fault.do != "kill" and not fault.lasts:
        yield f"{fault.do} has to last for a while", "", "lasts: 500ms"
    if (fault.do == "lose") != (fault.packets > 0):
        yield "packets and lose belong together", f"packets is {fault.packets}", "{do: lose, packets: 10}"
    if fault.do == "full_disk" and os.geteuid() != 0:
        yield "only root can make a disk full", "it takes a file system of its own", "run as root"
