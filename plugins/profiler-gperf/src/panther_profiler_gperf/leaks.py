"""Which memory was never given back, as findings: one for each way through the functions that leads to it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from panther_hookspecs import Finding
from panther_profiler_gperf.heap_profile import LIVE_BYTES, LIVE_OBJECTS
from panther_profiler_gperf.options import HeapOptions
from panther_profiler_gperf.stacks import Frame, Stacks

_DEPTH = 6
"""Functions that tell one leak from another."""


@attrs.frozen(kw_only=True)
class Leak:
    """Memory from one place."""

    frames: tuple[Frame, ...]
    objects: int
    size: int

    @property
    def names(self) -> tuple[str, ...]:
        """The functions that tell this leak from others in any run of any build."""
        return tuple(frame.function for frame in self.frames[:_DEPTH])


def leaks_of(stacks: Stacks) -> list[Leak]:
    """Return the live memory by place, the largest first; stacks that differ in lines only are one place."""
    found: dict[tuple[str, ...], Leak] = {}
    for frames, values in stacks.values.items():
        leak = Leak(frames=frames, objects=values[LIVE_OBJECTS], size=values[LIVE_BYTES])
        known = found.get(leak.names)
        if known is not None:
            leak = attrs.evolve(known, objects=known.objects + leak.objects, size=known.size + leak.size)
        if leak.objects:
            found[leak.names] = leak
    return sorted(found.values(), key=lambda each: (-each.size, each.names))


def worth_a_look(leak: Leak, options: HeapOptions) -> bool:
    """Return whether what is live at exit is more than a program keeps on purpose: one place, again and again."""
    return leak.objects >= options.leak_objects and leak.size >= options.leak_bytes


def findings_of(leaks: list[Leak], *, proven: bool, service: str, artifact: str) -> Iterator[Finding]:
    """Yield a finding for each leak: ``leak`` where nothing points to the memory, ``unfreed`` where that is unknown."""
    kind = "leak" if proven else "unfreed"
    for leak in leaks:
        where = leak.frames[0] if leak.frames else "an unknown function"
        said = "leaked: nothing points to them any more" if proven else "were never freed"
        objects = "1 object" if leak.objects == 1 else f"{leak.objects} objects"
        yield Finding(
            source="gperf_heap",
            kind=kind,
            message=f"{leak.size} bytes in {objects} from {where} {said}",
            service=service,
            severity="error" if proven else "warning",
            count=leak.objects,
            stack=tuple(str(frame) for frame in leak.frames),
            fingerprint=f"gperf_heap:{kind}:{'<'.join(leak.names)}",
            artifact=artifact,
        )
