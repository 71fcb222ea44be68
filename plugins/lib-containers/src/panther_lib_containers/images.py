"""Images built from Dockerfiles; each has a name that says what is in it, so nothing is built twice."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path

import attrs

from panther_hookspecs import (
    BaseEvent,
    CommandProcessor,
    EnvironmentUnavailableError,
    ImageRecipe,
    ShellCommand,
    building,
)
from panther_lib_containers.claims import claim
from panther_lib_containers.engine import Engine
from panther_lib_containers.failures import explained
from panther_lib_containers.options import BuildOptions

_PAUSE = 0.05
_QUOTED = 2
_NOISE = (
    *("The command '", "Removing intermediate", "ERROR: failed to", "------", "Dockerfile:", "---> "),
    *("DEPRECATED", "Install the buildx", "BuildKit is", "https://docs.docker.com/"),
)
"""What the builders say about themselves."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"Step \d+/\d+ : ")
_OF_BUILDKIT = re.compile(r"#\d+ \d+\.\d+ (.*)")
"""What a program has said, with the number of the step and the seconds before it."""
_TRUST = "/usr/local/share/ca-certificates/panther.crt"
_TRUSTING = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")
_ON_BASE = "ARG BASE\nFROM ${BASE}\n"
_TOOLS = """\
ARG BASE
FROM ${{BASE}}
USER root
RUN missing=""; for each in {packages}; do dpkg -s "$each" >/dev/null 2>&1 || missing="$missing $each"; done; \\
    [ -z "$missing" ] || {{ apt-get update -q && apt-get install -qy --no-install-recommends $missing \\
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; }}
"""


@attrs.frozen(kw_only=True)
class Step:
    """One Dockerfile on top of another image."""

    title: str
    kind: str
    """``base``, ``service`` or ``environment``."""
    dockerfile: str
    files: tuple[Path, ...] = ()
    args: Mapping[str, str] = attrs.field(factory=dict)


def step_of_service(recipe: ImageRecipe) -> Step:
    """Return what puts a service on top of an image."""
    return Step(
        title=recipe.name,
        kind="service",
        dockerfile=recipe.dockerfile.read_text(encoding="utf-8"),
        files=recipe.files,
        args=recipe.args,
    )


def step_of_tools(packages: tuple[str, ...]) -> Step:
    """Return what puts the tools of instruments on top of an image of Debian or a child of it."""
    return Step(
        title="tools", kind="environment", dockerfile=_TOOLS.format(packages=" ".join(map(shlex.quote, packages)))
    )


def step_of_trust(bundle: Path) -> Step:
    """Return what makes the programs of an image trust the certificates of ``bundle``."""
    settings = " ".join(f"{name}={_TRUST}" for name in _TRUSTING)
    return Step(
        title="base",
        kind="base",
        dockerfile=f"{_ON_BASE}COPY {json.dumps([bundle.name, _TRUST])}\nENV {settings}\n",
        files=(bundle,),
    )


@attrs.frozen
class Built:
    """An image that a case uses."""

    tag: str
    kind: str
    title: str
    base: str
    id: str
    log: str
    """The build's log, relative to the folder of the case's network; empty where the image was there."""


@attrs.define
class ImageBuilder:
    """Builds what is not there. Several threads and several PANTHERs may want the same image at the same time."""

    engine: Engine
    commands: CommandProcessor
    folder: Path
    options: BuildOptions
    labels: Mapping[str, str]
    cancelled: Callable[[], bool]
    failed: MutableMapping[str, str]
    """Why images could not be had in earlier cases of the run."""
    known: MutableMapping[str, str]
    """The ids of the images that were there for earlier cases of the run: the engine is not asked again."""
    emit: Callable[[BaseEvent], None]
    made: list[Built] = attrs.field(factory=list)

    def on(self, base: str, step: Step) -> str:
        """Return the name of the image that ``step`` makes on top of ``base``."""
        identity = self.identity(base)
        tag = f"panther-{step.title}:{self._digest(identity, step)}"
        log = "" if self._key(tag) in self.known else self._made(base, step, tag)
        found = Built(tag, step.kind, step.title, base, self.identity(tag), log)
        if found.tag not in {each.tag for each in self.made}:
            self.made.append(found)
        return tag

    def _made(self, base: str, step: Step, tag: str) -> str:
        """Make sure that an image is there; return the log of its build, if it took one."""
        with self._alone(tag):
            if tag in self.failed:
                raise EnvironmentUnavailableError(self.failed[tag])
            if self._key(tag) in self.known or (not self.options.force and self._is_there(tag)):
                return ""
            with building(f"building the image of {step.title}", self.emit):
                log = self._build(base, step, tag)
            self.identity(tag)
            return log

    def identity(self, name: str) -> str:
        """Return the id of an image, which is fetched if need be and allowed."""
        if not self._is_there(name):
            if self.options.pull == "never":
                raise EnvironmentUnavailableError(
                    f"the image {name} is not there\n  try: docker pull {name}, or pull: missing"
                )
            self.fetch(name)
        return self.known[self._key(name)]

    def _is_there(self, name: str) -> bool:
        """Return whether an image is there, and remember it if so."""
        key = self._key(name)
        if key not in self.known and (found := self.engine.image(name)) is not None:
            self.known[key] = str(found["Id"])
        return key in self.known

    def is_lost(self, name: str) -> bool:
        """Return whether an image that was there is not there any more; then it is got again when it is next wanted."""
        if self.engine.image(name) is not None:
            return False
        self.known.pop(self._key(name), None)
        return True

    def _key(self, name: str) -> str:
        return f"image {name} of {self.engine.host}"

    def fetch(self, name: str) -> None:
        """Fetch an image unless it is there."""
        if self._key(name) in self.known:
            return
        with self._alone(name):
            if name in self.failed:
                raise EnvironmentUnavailableError(self.failed[name])
            if self._is_there(name):
                return
            words = self.engine.command("pull", "--quiet", name)
            asked = ShellCommand(words[0], words[1:], timeout=float(self.options.timeout))
            with building(f"fetching the image {name}", self.emit):
                result = self.commands.execute(asked)
            if result.exit_code != 0:
                said = "" if result.exit.reason == "timeout" else result.stderr
                self.failed[name] = str(explained(f"docker pull {name}", result.exit_code, said))
                raise EnvironmentUnavailableError(self.failed[name])
            self._is_there(name)

    def _digest(self, base: str, step: Step) -> str:
        digest = hashlib.sha256(repr((base, step.dockerfile, sorted(self._args(step).items()))).encode())
        for name, path in _content(step.files):
            digest.update(repr((name, path.stat().st_mode & 0o111)).encode() + path.read_bytes())
        return digest.hexdigest()[:12]

    def _args(self, step: Step) -> Mapping[str, str]:
        return {**step.args, **self.options.args}

    def _alone(self, tag: str) -> socket.socket:
        """Return what keeps everybody else on this machine from making the same image."""
        while (held := claim(f"build-{tag}")) is None:
            if self.cancelled():
                raise EnvironmentUnavailableError(f"cancelled while somebody else made {tag}")
            time.sleep(_PAUSE)
        return held

    def _build(self, base: str, step: Step, tag: str) -> str:
        context, logs = self.folder / "context" / tag.replace(":", "-"), self.folder / "build"
        context.mkdir(parents=True)
        try:
            for path in step.files:
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, context / path.name)
            (context / "Dockerfile").write_text(step.dockerfile, encoding="utf-8")
            words = self.engine.command(*self._words(base, step, tag), str(context))
            env = {"BUILDKIT_PROGRESS": "plain"}
            asked = ShellCommand(words[0], words[1:], timeout=float(self.options.timeout), env=env)
            result = self.commands.execute(asked, log_dir=logs, name=step.title)
        finally:
            shutil.rmtree(context.parent)
        log = result.stderr_path or logs
        if result.exit_code != 0:
            said = f"{result.stderr}\n{result.stdout}"  # without BuildKit programs speak on the second one
            tail = "".join(f"\n  {line}" for line in last_lines(said) or (str(result.exit),))
            self.failed[tag] = f"building the image of {step.title} failed:{tail}\n  the whole log: {log.parent}"
            raise EnvironmentUnavailableError(self.failed[tag])
        return str(log.parent.relative_to(self.folder))

    def _words(self, base: str, step: Step, tag: str) -> Iterator[str]:
        yield from ("build", "--tag", tag, "--force-rm", "--build-arg", f"BASE={base}")
        for name, value in self._args(step).items():
            yield from ("--build-arg", f"{name}={value}")
        for name, value in {**self.labels, "panther.image": step.kind}.items():
            yield from ("--label", f"{name}={value}")
        if self.options.network:
            yield from ("--network", self.options.network)
        if self.options.force:
            yield "--no-cache"


def last_lines(said: str) -> list[str]:
    """Return the last lines of a failed build that a program has written, not the builder about itself."""
    lines = [_COLOUR.sub("", line).strip() for line in said.splitlines()]
    spoken = [match[1].strip() for line in lines if (match := _OF_BUILDKIT.match(line))]
    real = [line for line in spoken or lines if line and not line.startswith(_NOISE) and not _STEP.match(line)]
    return real[-_QUOTED:]


def _content(files: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Yield every file with its name in the build's folder."""
    for path in files:
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and "__pycache__" not in each.parts:
                yield str(each.relative_to(path.parent)), each
