"""From options to the command line of the load generator."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    LOAD_REPORT,
    LOAD_REQUESTS,
    ConfigurationException,
    Output,
    Readiness,
    Seconds,
    ServiceContext,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    UnsupportedError,
    option,
)

HERE = Path(__file__).parent
MOST_REQUESTS = 1_000_000
AUTO = "auto"
LONGEST_WARMUP, SLOW_START = 10.0, 30.0
_POSITIVE = attrs.validators.gt(0)


def _warmup(value: object) -> Seconds | str:
    return AUTO if value == AUTO else Seconds.parse(value)


@attrs.frozen(kw_only=True)
class LoadOptions:
    """What the load looks like."""

    mode: str = option(
        "open",
        validator=attrs.validators.in_(("open", "closed")),
        help="open: requests go out when they are due, whatever the server does. closed: when an answer has come.",
    )
    rate: float = option(
        100.0, validator=attrs.validators.ge(0), help="Requests a second; in a closed loop the most, 0 for no limit."
    )
    arrivals: str = option(
        "even",
        validator=attrs.validators.in_(("even", "random")),
        help="Open loop: evenly spaced, or at random (exponential gaps, from the seed of the case).",
    )
    duration: Seconds = option(Seconds(2), validator=_POSITIVE, help="Length of the measured part.")
    warmup: str | float = attrs.field(
        default=Seconds(0.5),
        converter=_warmup,
        metadata={"help": "Load before it that does not count: a duration, or auto for until it stops getting faster."},
    )
    users: int = option(1, validator=attrs.validators.ge(1), help="Closed loop: requests under way at once.")
    connections: int = option(1, validator=attrs.validators.ge(1), help="Connections, each a session of its own.")
    lost_after: Seconds = option(Seconds(1), validator=_POSITIVE, help="When a request counts as lost.")
    retry: Seconds = option(
        Seconds(0), validator=attrs.validators.ge(0), help="When a request without an answer is sent again; 0 is never."
    )
    precedence: bool = option(
        True, help="Open loop: run before all other programs of the machine, where that is allowed (root)."
    )
    ipv6: bool = option(False, help="Talk over IPv6.")


@attrs.frozen
class LoadManager(ServiceManager):
    """Plans the load generator, which runs with the interpreter that runs PANTHER."""

    options: Any

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.dialect is None and context.speaker is None:
            raise UnsupportedError(
                f"load cannot speak {context.protocol or 'without a protocol'}: the protocol has no dialect\n"
                "  try: a client of the protocol with type: performance"
            )
        self._refuse_too_much()
        family = "ip6" if self.options.ipv6 else "ip"
        program = self._program(context)
        addresses = ("--connect", f"{{{context.target}.{family}}}", "--port", f"{{{context.target}.port}}")
        own = ("--dir", "{dir}", "--name", context.name, "--seed", str(context.seed))
        bound = ("--address", f"{{self.{family}}}")
        parameters = tuple(text for each in self._parameters(context) for text in ("--set", each))
        every = (*program[1:], *addresses, *own, *bound, *self._shape(), *parameters)
        return ServicePlan(
            run=ShellCommand(program[0], every),
            ends_by_itself=True,
            # Whoever wants to disturb the load counts from the begin of the measured part.
            ready=Readiness(kind="log", pattern="^(measuring|no answer)", timeout=Seconds(self._patience())),
            outputs=(Output(pattern=LOAD_REPORT, kind="load"), Output(pattern=LOAD_REQUESTS, kind="load")),
            runtime="python",
        )

    def _program(self, context: ServiceContext) -> tuple[str, ...]:
        """Return the load generator with the dialect of the protocol, or the program that speaks it by itself."""
        if context.dialect is not None:
            fixed = ("--dialect", str(context.dialect), "--transport", context.transport or "udp")
            return (sys.executable, "-I", "-S", str(HERE / "load"), *fixed)
        options = self.options
        if options.mode != "open" or options.arrivals != "even" or options.retry or options.warmup == AUTO:
            raise UnsupportedError(
                f"load speaks {context.protocol} in an open loop only, with even arrivals, a fixed warmup and no retry"
            )
        return (sys.executable, "-I", str(context.speaker), "load")

    def _patience(self) -> float:
        """Return how long it may take until the measured part begins."""
        warmup = LONGEST_WARMUP if self.options.warmup == AUTO else float(self.options.warmup)
        return warmup + SLOW_START

    def _refuse_too_much(self) -> None:
        options = self.options
        if options.mode == "open" and not 0 < options.rate * options.duration <= MOST_REQUESTS:
            raise ConfigurationException(
                f"an open load of rate {options.rate:g} for {float(options.duration):g} s is no load, or too much\n"
                f"  because all requests are made beforehand: between 1 and {MOST_REQUESTS}\n"
                "  try: another rate or duration"
            )

    def _shape(self) -> tuple[str, ...]:
        options = self.options
        warmup = options.warmup if options.warmup == AUTO else f"{float(options.warmup):g}"
        numbers = {
            "rate": options.rate,
            "duration": options.duration,
            "timeout": options.lost_after,
            "retry": options.retry,
        }
        words = {"mode": options.mode, "arrivals": options.arrivals, "warmup": warmup}
        words |= {name: f"{float(value):.15g}" for name, value in numbers.items()}
        words |= {"users": str(options.users), "connections": str(options.connections)}
        shape = tuple(text for name, value in words.items() for text in (f"--{name}", value))
        return (*shape, "--precedence") if options.precedence else shape

    def _parameters(self, context: ServiceContext) -> tuple[str, ...]:
        version = {"version": context.version} if context.version else {}
        every = {**context.parameters, **version}
        plain = {name: ",".join(map(str, each)) if isinstance(each, tuple) else each for name, each in every.items()}
        return tuple(f"{name}={value}" for name, value in plain.items())
