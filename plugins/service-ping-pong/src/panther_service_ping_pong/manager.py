"""From options and scenario to the command line of the two implementations."""

from __future__ import annotations

import abc
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    ConfigurationException,
    ImageRecipe,
    Output,
    Readiness,
    ServiceContext,
    ServiceManager,
    ServicePlan,
    Share,
    ShellCommand,
    option,
)

HERE = Path(__file__).parent
VARIANTS = ("functional", "random", "fail", "flaky", "vulnerable")


@functools.cache
def command_line_of_versions() -> Mapping[str, Mapping[str, list[str]]]:
    """Return the flags of every known version, by version and role."""
    import tomllib  # noqa: PLC0415 - of no use to who only lists plugins' names

    return tomllib.loads((HERE / "versions.toml").read_text(encoding="utf-8"))


@attrs.frozen(kw_only=True)
class PingPongOptions:
    """Options that both implementations have."""

    variant: str = option(
        "functional",
        validator=attrs.validators.in_(VARIANTS),
        help=(
            "functional does everything right; random only in a share of its sessions; fail never; "
            "flaky not in the first attempt; vulnerable dies of an overlong message."
        ),
    )
    chance: Share = option(Share(0.5), help="Share of right sessions of the variant random.")
    seed: int | None = option(None, help="Seed of the variant random; the seed of the case if left out.")
    ipv6: bool = option(False, help="Talk over IPv6; server and client must agree.")


@attrs.frozen(kw_only=True)
class COptions(PingPongOptions):
    """Options of the implementation in C."""

    static: bool = option(False, help="Link the program statically.")


@attrs.frozen
class PingPongManager(ServiceManager):
    """Plans either implementation; they differ in how the program is called, not in what it is told."""

    options: Any

    @abc.abstractmethod
    def program(self, arguments: tuple[str, ...]) -> ServicePlan:
        """Return the plan of the program with these arguments, nothing else set."""

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        serves = context.role == "server"
        plan = self.program(
            (
                context.role,
                *self._common(context),
                *self._of_version(context),
                *(() if serves else self._of_client(context)),
            )
        )
        file = ("received-*.bin", "download") if serves else ("sent.bin", "upload")
        outputs = (
            Output(pattern="transcript.jsonl", kind="transcript"),
            Output(pattern=file[0], kind=file[1], required=False),
        )
        return attrs.evolve(
            plan,
            ends_by_itself=not serves,
            outputs=outputs,
            ready=Readiness(kind="log", pattern="listening on ") if serves else Readiness(),
        )

    def _common(self, context: ServiceContext) -> tuple[str, ...]:
        family = "ip6" if self.options.ipv6 else "ip"
        dice = context.seed if self.options.seed is None else self.options.seed
        return (
            "--dir",
            "{dir}",
            "--name",
            context.name,
            "--seed",
            str(context.seed),
            "--dice",
            str(dice),
            "--attempt",
            str(context.attempt),
            "--variant",
            self.options.variant,
            "--chance",
            f"{self.options.chance:g}",
            "--address",
            f"{{self.{family}}}",
            "--port",
            f"{{{context.target or 'self'}.port}}",
        )

    def _of_version(self, context: ServiceContext) -> tuple[str, ...]:
        known = command_line_of_versions()
        version = context.version or next(iter(known))
        if version not in known:
            raise ConfigurationException(f"ping-pong has no version {version!r}; it has {', '.join(known)}")
        return tuple(known[version][context.role])

    def _of_client(self, context: ServiceContext) -> tuple[str, ...]:
        family = "ip6" if self.options.ipv6 else "ip"
        scenario, given = context.scenario or "ping", context.parameters
        if scenario == "replay":
            scenario, given = str(given.get("plays", "ping")), {}
        parameters = [text for key, value in given.items() for text in (f"--{key}", f"{value:.15g}")]
        return ("--connect", f"{{{context.target}.{family}}}", "--scenario", scenario, *parameters)


class PythonManager(PingPongManager):
    """Plans ``ping-pong-py``, which runs with the interpreter that runs PANTHER."""

    def program(self, arguments: tuple[str, ...]) -> ServicePlan:
        """Return the plan of the program with these arguments; no package is visible to it."""
        source, inside = HERE / "ping_pong_py", "/opt/ping-pong/panther_service_ping_pong/ping_pong_py"
        return ServicePlan(
            run=ShellCommand(sys.executable, ("-I", "-S", source, *arguments)),
            runtime="python",
            image=ImageRecipe(
                name="ping-pong-py",
                dockerfile=source / "Dockerfile",
                files=(source,),
                run=ShellCommand("python3", ("-I", "-S", inside, *arguments)),
            ),
        )


class CManager(PingPongManager):
    """Plans ``ping-pong-c``, which is compiled once for each set of compiler flags."""

    def program(self, arguments: tuple[str, ...]) -> ServicePlan:
        """Return the plan of the program with these arguments, and how to build it."""
        source, static = HERE / "ping_pong_c" / "ping_pong.c", self.options.static
        flags = ("-std=c99", "-O2", "-g", "-Wall", *(("-static",) if static else ()))
        return ServicePlan(
            run=ShellCommand("{build}/ping-pong", arguments),
            compile=(ShellCommand("cc", (*flags, "-o", "{build}/ping-pong", source)),),
            build_inputs=(source,),
            runtime="static" if static else "native",
            image=ImageRecipe(
                name="ping-pong-c",
                dockerfile=source.with_name("Dockerfile"),
                files=(source,),
                args={"FLAGS": " ".join(flags)},
                run=ShellCommand("ping-pong", arguments),
            ),
        )
