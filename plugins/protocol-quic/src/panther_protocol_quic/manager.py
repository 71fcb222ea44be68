"""From the data of an implementation and the case to a plan: command lines, files, and what it will leave behind."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    ConfigurationException,
    EnvironmentUnavailableError,
    ImageRecipe,
    Readiness,
    Seconds,
    ServiceContext,
    ServiceManager,
    ServicePlan,
    ShellCommand,
    UnsupportedError,
    option,
)
from panther_protocol_quic import programs, runner
from panther_protocol_quic.drive import BETWEEN
from panther_protocol_quic.implementation import Build, Implementation, Part, When, numbers
from panther_protocol_quic.materials import Document, connections, documents, seed_of
from panther_protocol_quic.places import FOLDERS, OUTPUTS, PATHS, SHEET

_EXTRA = "{extra}"
_MOST_ARTIFACTS = 16
_DRIVER = Path(__file__).with_name("drive.py")
_NAME = re.compile(r"\{([A-Za-z_]\w*)\}")


@attrs.frozen(kw_only=True)
class QuicOptions:
    """Options that every implementation of QUIC has."""

    program: str = option("", help="Path of its program; the installed one if left out.")
    root: str = option("", help="Folder with the files of another Debian release, from which the program is run.")
    require_version: str = option("", help="Version that the program must have, or the beginning of it.")
    extra_args: tuple[str, ...] = option((), help="Further arguments for the program.")


@attrs.frozen
class Told:
    """What the words of a command line may mention."""

    texts: Mapping[str, str]
    lists: Mapping[str, Sequence[str]]

    def text(self, text: str) -> str:
        """Return a text with every placeholder that is known here replaced; the engine knows the others."""
        return _NAME.sub(lambda match: self.texts.get(match[1], match[0]), text)

    def words(self, words: Iterable[str]) -> tuple[str, ...]:
        """Return words with placeholders replaced; one that stands for many becomes many words."""
        found: list[str] = []
        for word in words:
            many = self.lists.get(word[1:-1]) if _NAME.fullmatch(word) else None
            found += [self.text(word)] if many is None else many
        return tuple(found)


@attrs.frozen
class QuicManager(ServiceManager):
    """Plans any implementation from its data."""

    implementation: Implementation
    options: QuicOptions

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        if context.role not in self.implementation.parts:
            raise ConfigurationException(f"{self.implementation.name} does not play the role {context.role}")
        return _Planning.of(self.implementation, self.options, context).plan()


@attrs.frozen(kw_only=True)
class _Planning:
    implementation: Implementation
    options: QuicOptions
    context: ServiceContext
    part: Part
    command: tuple[str, ...]
    root: Path | None
    version: str
    documents: tuple[Document, ...]

    @classmethod
    def of(cls, implementation: Implementation, options: QuicOptions, context: ServiceContext) -> _Planning:
        part = implementation.parts[context.role]
        if implementation.interface == runner.NAME:
            part = runner.completed(context.role, part)
        root = Path(options.root) if options.root else programs.root_of(implementation.release)
        command = _command(implementation, part, options, root)
        version = implementation.version or programs.version_of(implementation.probe, command, root)
        wanted = options.require_version
        if wanted and numbers(version)[: len(numbers(wanted))] != numbers(wanted):
            raise ConfigurationException(
                f"{implementation.name} here is version {version or 'unknown'}, and the experiment requires {wanted}\n"
                f"  try: another require_version, or program with the path of that version"
            )
        return cls(
            implementation=implementation,
            options=options,
            context=context,
            part=part,
            command=command,
            root=root,
            version=version,
            documents=documents(context.parameters, seed_of(context.scenario, context.seed)),
        )

    def plan(self) -> ServicePlan:
        serves = self.context.role == "server"
        runs = self._runs()
        whens = self._whens("first")
        refused = next((each.unclaimed for each in whens if each.unclaimed), "")
        if refused:
            raise UnsupportedError(f"{self.implementation.name} {self.version}: {refused}")
        names = [each for each in ("keys", "qlog", "downloads") if serves is False or each != "downloads"]
        many = len(self.documents) > _MOST_ARTIFACTS
        return ServicePlan(
            run=self.run(),
            folders=tuple(PATHS[each] for each in FOLDERS),
            files=self._documents() if serves else {},
            make_files=self._make_files(runs),
            ready=Readiness(kind="udp", timeout=Seconds(20), declines=self.part.unsupported_exit)
            if serves
            else Readiness(),
            ends_by_itself=not serves,
            stop_signal=getattr(signal, self.part.stop),
            stop_grace=Seconds(self.part.grace),
            compile=self._compiling(),
            build_inputs=self._build_inputs(),
            outputs=tuple(OUTPUTS[each] for each in names if each != "downloads" or not many),
            runtime=self.part.runtime or self.implementation.runtime,
            image=self._recipe(),
        )

    def run(self) -> ShellCommand:
        """Return the command with its variables."""
        lines, told = [self._line(at, each) for at, each in enumerate(self._runs())], self._told(())
        env = {**self.part.env, **{key: value for each in self._whens("first") for key, value in each.env.items()}}
        if self._is_ip6:
            env["PANTHER_ADDRESS"] = "{address}"
        run = self._driven(lines, [told.words(each) for each in (*self.part.beside, *self._crossing())])
        return attrs.evolve(run, env={key: told.text(value) for key, value in env.items()})

    def _recipe(self) -> ImageRecipe | None:
        """Return how to make an image with the programs, in which they have the paths of the image."""
        if not self.implementation.dockerfile or self.options.program or self.root is not None:
            return None
        inside = attrs.evolve(self, command=(self.part.program,))
        dockerfile = self.implementation.folder / self.implementation.dockerfile
        return ImageRecipe(name=self.implementation.name, dockerfile=dockerfile, run=inside.run())

    def _crossing(self) -> tuple[tuple[str, ...], ...]:
        """Return the program for the other traffic on the link, where the scenario wants some."""
        if self.context.scenario != "crosstraffic":
            return ()
        if not programs.find("iperf3", None):
            raise EnvironmentUnavailableError(
                "crosstraffic needs iperf3 for a TCP connection\n  try: apt install iperf3"
            )
        if self.context.role == "server":
            return (("iperf3", "--server", "--bind", "{address}", "--port", "{port}"),)
        return (("iperf3", "--client", "{address}", "--port", "{port}", "--reverse", "--time", "600"),)

    def _build_inputs(self) -> tuple[Path, ...]:
        build = self._build
        folder = self.implementation.folder
        return tuple(folder / self._told_of_build.text(each) for each in build.inputs) if build else ()

    @property
    def _build(self) -> Build | None:
        return self.implementation.build if "{build}" in self.part.program else None

    @property
    def _told_of_build(self) -> Told:
        implementation = self.implementation
        known = {"package": str(implementation.folder), "version": implementation.version, "peers": str(runner.PEERS)}
        return Told({**known, "root": str(self.root), "triplet": programs.triplet()}, {})

    def _compiling(self) -> tuple[ShellCommand, ...]:
        if (build := self._build) is None:
            return ()
        told = self._told_of_build
        env = {key: told.text(value) for key, value in build.env.items()}
        lines = [told.words(each) for each in build.commands]
        return tuple(ShellCommand(each[0], each[1:], timeout=build.seconds, env=env) for each in lines)

    def _documents(self) -> dict[str, bytes]:
        seed = seed_of(self.context.scenario, self.context.seed)
        return {f"{PATHS['www']}/{each.name}": each.content(seed) for each in self.documents}

    def _runs(self) -> tuple[tuple[Document, ...], ...]:
        """Return what each start of the program requests."""
        if self.context.role == "server" or any(each.runs == "one" for each in self._whens("first")):
            return (self.documents,)
        return connections(self.context.scenario, self.documents)

    @property
    def _is_ip6(self) -> bool:
        return self.context.scenario == "ipv6"

    def _situation(self, run: str) -> dict[str, str]:
        parameters = self.context.parameters
        return {
            "scenario": self.context.scenario,
            "alpn": str(parameters["alpn"]),
            "quic": str(parameters["version"]),
            "version": self.version,
            "family": "ip6" if self._is_ip6 else "ip4",
            "run": run,
        }

    def _whens(self, run: str) -> list[When]:
        situation = self._situation(run)
        return [each for each in self.part.when if each.holds(situation)]

    def _line(self, at: int, wanted: tuple[Document, ...]) -> tuple[str, ...]:
        """Return one command line."""
        whens = self._whens("later" if at else "first")
        told = self._told(wanted, {key: value for each in whens for key, value in each.set.items()})
        extra = (*(word for each in whens for word in each.args), *self.options.extra_args)
        words = self.part.args if _EXTRA in self.part.args else (_EXTRA, *self.part.args)
        lists = {**told.lists, "extra": told.words(extra)}
        return (*self.command, *attrs.evolve(told, lists=lists).words(words))

    def _told(self, wanted: tuple[Document, ...], more: Mapping[str, str] | None = None) -> Told:
        """Return the meaning of every placeholder in the file of the implementation."""
        peer = self.context.target or "self"
        family = "ip6" if self._is_ip6 else "ip"
        address = f"{{{peer}.{family}}}"
        bracketed = f"[{address}]" if self._is_ip6 else address
        texts = {
            **{name: f"{{dir}}/{path}" for name, path in PATHS.items()},
            **{key: value for key, value in self._situation("").items() if key != "run"},
            "testcase": runner.testcase(self.context.scenario),
            "python": programs.PYTHON,
            "package": str(self.implementation.folder),
            "address": address,
            "bracketed": bracketed,
            "port": f"{{{peer}.port}}",
            "authority": f"{bracketed}:{{{peer}.port}}",
            "chain": str(self.context.parameters.get("chain", 1)),
        }
        host = self.part.host or "{bracketed}"
        texts["host"] = Told(texts, {}).text(host)
        texts |= self.part.set
        for when in self._whens("first"):
            texts |= when.set
        texts |= more or {}
        base = f"https://{texts['host']}:{texts['port']}"
        lists: dict[str, list[str]] = {
            "urls": [f"{base}/{each.name}" for each in wanted],
            "paths": [f"/{each.name}" for each in wanted],
            "names": [each.name for each in wanted],
            "each": [],
        }
        for each in wanted:
            own = {**texts, "url": f"{base}/{each.name}", "path": f"/{each.name}", "name": each.name}
            lists["each"] += Told(own, {}).words(self.part.each)
        return Told(texts, lists)

    def _driven(self, lines: Sequence[tuple[str, ...]], beside: Sequence[tuple[str, ...]]) -> ShellCommand:
        """Return the command: the program itself, or the driver where it has to be started more than once."""
        if len(lines) == 1 and not beside and not self.part.stdin:
            return ShellCommand(lines[0][0], lines[0][1:])
        words = ["--stdin"] if self.part.stdin else []
        for each in beside:
            words += ["--beside", *each, BETWEEN]
        for at, line in enumerate(lines):
            words += [*([BETWEEN] if at else ()), *line]
        return ShellCommand(programs.PYTHON, ("-I", "-S", _DRIVER, *words))

    def _make_files(self, runs: Sequence[Sequence[Document]]) -> Callable[[Mapping[str, str]], Mapping[str, bytes]]:
        def make(known: Mapping[str, str]) -> Mapping[str, bytes]:
            told = self._told(self.documents)
            found = {name: _placed(told.text(text), known).encode() for name, text in self.part.files.items()}
            return {**found, **self._certificates(known), SHEET: self._sheet(runs, known)}

        return make

    def _certificates(self, known: Mapping[str, str]) -> dict[str, bytes]:
        """Return the certificates: made when addresses are known, because they are made for addresses."""
        from panther_protocol_quic import certificates as made  # noqa: PLC0415 - cryptography takes its time to import

        seed, trusted = self.context.seed, made.authority(self.context.seed)
        found = {"ca": trusted.public_bytes(made.PEM), "ca_der": trusted.public_bytes(made.DER)}
        if self.context.role == "server":
            own = [known[each] for each in ("self.ip", "self.ip6", "self.hostname", "name") if each in known]
            length = int(self.context.parameters.get("chain", 1))
            chain = made.chain(seed, tuple(dict.fromkeys((*own, "localhost", "server"))), length)
            found |= {"cert": chain.pem(), "key": chain.private(), "pem": chain.pem() + chain.private()}
            found |= {"cert_der": chain.der(), "key_der": chain.private(made.DER)}
        return {PATHS[name]: content for name, content in found.items()}

    def _sheet(self, runs: Sequence[Sequence[Document]], known: Mapping[str, str]) -> bytes:
        peer = self.context.target or "self"
        sheet: dict[str, Any] = {
            **{key: value for key, value in self._situation("").items() if key not in ("run", "version")},
            "implementation": self.implementation.name,
            "version": self.version,
            "role": self.context.role,
            "address": known.get(f"{peer}.ip6" if self._is_ip6 else f"{peer}.ip", ""),
            "port": int(known.get(f"{peer}.port", 0)),
            "runs": [[each.name for each in run] for run in runs],
            "exit_counts": self.part.exit_counts,
            "unsupported_exit": self.part.unsupported_exit,
            "why": self.part.why,
            "logs": self.part.logs,
        }
        return (json.dumps(sheet, indent=1) + "\n").encode()


def _placed(text: str, known: Mapping[str, str]) -> str:
    """Return a text with the engine's placeholders replaced; braces that mean nothing to it stay."""
    return re.sub(r"\{([A-Za-z_][\w.:-]*)\}", lambda match: known.get(match[1], match[0]), text)


def _command(implementation: Implementation, part: Part, options: QuicOptions, root: Path | None) -> tuple[str, ...]:
    """Return the words that start the program; EnvironmentUnavailableError if it is not here."""
    if part.program == "{python}":
        return (programs.PYTHON,)
    if "{build}" in part.program and not options.program:
        return (*(programs.loaded(root) if root else ()), part.program)
    if options.program:
        return programs.started(options.program, root if options.root else None)
    path = programs.find(part.program, root)
    if not path:
        where = f" in {root}" if root else ""
        fix = f"apt install {part.package}" if part.package else "its option program, with its path"
        if root and part.package and implementation.release:
            fix = programs.bringing(part.package, implementation.release, root)
        raise EnvironmentUnavailableError(
            f"{implementation.name}: there is no program {part.program}{where}\n  try: {fix}"
        )
    return programs.started(path, root)
