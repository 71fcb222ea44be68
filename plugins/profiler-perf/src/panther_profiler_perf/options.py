"""The keys that a user may write for ``perf_stat`` and ``perf_record``."""

from __future__ import annotations

import re

import attrs

from panther_hookspecs import Bytes, ExecutionEnvironmentOptions, option

_EVENT = re.compile(r"[\w./:=*-]+(?:,[\w.=*-]+)*/?[\w:]*")
_LARGEST_STACK = 65528
"""The kernel copies no more; a multiple of 8."""


def _event(name: str) -> None:
    if name.startswith("-") or not _EVENT.fullmatch(name):
        raise ValueError(f"expected the name of an event as `perf list` shows it, for example cycles, got {name!r}")


def _events(_instance: object, _attribute: attrs.Attribute[tuple[str, ...]], names: tuple[str, ...]) -> None:
    for name in names:
        _event(name)


def _one_event(_instance: object, _attribute: attrs.Attribute[str], name: str) -> None:
    if name:
        _event(name)


def _positive(_instance: object, _attribute: attrs.Attribute[Bytes], value: Bytes) -> None:
    if value <= 0:
        raise ValueError(f"expected more than 0 bytes, got {value:g}")


def _stack(_instance: object, _attribute: attrs.Attribute[Bytes], value: Bytes) -> None:
    if not 8 <= value <= _LARGEST_STACK:  # noqa: PLR2004 - one word
        raise ValueError(f"expected 8 to {_LARGEST_STACK} bytes, got {value:g}")


@attrs.frozen(kw_only=True)
class PerfOptions(ExecutionEnvironmentOptions):
    """What both have."""

    attach: bool = option(
        False,
        help="Attach to the service when it runs already; otherwise it is watched from its first instruction on.",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what perf cannot do."""
        if self.target_process and not self.attach:
            raise ValueError(
                "perf cannot watch only a target_process of a service from its start on: attach: true can, later"
            )


@attrs.frozen(kw_only=True)
class StatOptions(PerfOptions):
    """Options of ``perf_stat``."""

    events: tuple[str, ...] = option(
        (),
        validator=_events,
        help="Events to count, as `perf list` names them; if left out, what the processor and the kernel can count.",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what counting cannot do."""
        super().__attrs_post_init__()
        if self.sampling_rate:
            raise ValueError("perf_stat has no sampling_rate: it counts; perf_record samples")


@attrs.frozen(kw_only=True)
class RecordOptions(PerfOptions):
    """Options of ``perf_record``."""

    event: str = option(
        "",
        validator=_one_event,
        help="Event that makes a sample; if left out cycles, or cpu-clock where the processor has no counters.",
    )
    call_graph: str = option(
        "fp",
        validator=attrs.validators.in_(("fp", "dwarf")),
        help=(
            "How callers are found: fp follows frame pointers, which programs must be built with; "
            "dwarf copies the stack with each sample, for any program with debug or unwind information."
        ),
    )
    stack_size: Bytes = option(
        Bytes(8192), validator=_stack, help="Bytes of the stack that dwarf copies with each sample."
    )
    functions: tuple[str, ...] = option(
        (), help="Functions that get measurements of their own in every case, even if they were never seen."
    )
    data_limit: Bytes = option(
        Bytes(512 * 2**20), validator=_positive, help="Size of the raw data at which recording ends."
    )
