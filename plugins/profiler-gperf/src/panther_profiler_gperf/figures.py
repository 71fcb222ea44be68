"""The numbers of a profile by function, by names that checks and comparisons can use."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import Measurement, function_key
from panther_profiler_gperf.stacks import Function
from panther_profiler_gperf.views import share

TOP = 5
_MOST = 20


def by_function(source: str, functions: list[Function], total: int, service: str) -> Iterator[Measurement]:
    """Yield the shares of the functions with most of their own, by rank and by name, and of those that call most."""
    if not functions:
        yield Measurement(name=f"{source}.top1.share", value=0, service=service)
    for rank, each in enumerate(functions[:TOP], 1):
        labels = {"function": each.name}
        value = share(each.flat, total)
        yield Measurement(name=f"{source}.top{rank}.share", value=value, service=service, labels=labels)
    calling = sorted(functions, key=lambda each: (-each.cumulative, each.name))[:_MOST]
    seen: set[str] = set()
    for each in dict.fromkeys((*functions[:_MOST], *calling)):
        name = function_key(each.name)
        if name not in seen:
            seen.add(name)
            labels = {"function": each.name}
            flat, both = share(each.flat, total), share(each.cumulative, total)
            yield Measurement(name=f"{source}.{name}.share", value=flat, service=service, labels=labels)
            yield Measurement(name=f"{source}.{name}.cumulative.share", value=both, service=service, labels=labels)
