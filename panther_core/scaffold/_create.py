"""From templates to a package: names by the one law, all files or none."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template
from typing import Final

from panther_hookspecs import PantherExperimentError

KINDS: Final[Mapping[str, str]] = {
    "protocol": "roles, scenarios, and how evidence becomes a verdict",
    "service": "an implementation of a protocol: how to run one program in its roles",
    "env": "a network environment: where services run and what lies between them",
    "profiler": "an execution environment: an instrument that watches a service's process",
    "test": "a test type: the stages that a test case goes through",
    "provisioner": "a source of systems on which test cases run",
    "observer": "a receiver of every event of a run",
    "report": "a file made from a finished run directory",
    "command": "a subcommand of the console",
}
"""The kinds of plugin, as they stand in a package's name, each with what it brings."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME: Final = 30
_SUFFIX: Final = ".tmpl"


class ScaffoldError(PantherExperimentError):
    """A package cannot be generated as asked; nothing was written."""

    exit_code = 2


def create(kind: str, name: str, target: Path) -> Path:
    """Write the package ``panther-<kind>-<name>`` into the folder ``target`` and return its own folder.

    The package is complete or absent: it is written beside its place and moved there in one step.
    """
    _check_kind(kind)
    _check_name(kind, name)
    words = _words(kind, name)
    folder = target / words["dist"]
    if folder.exists() or folder.is_symlink():
        raise ScaffoldError(f"there already is {folder}\n  try: another name, another folder, or remove it first")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=f".{words['dist']}-") as temporary:
            package = Path(temporary) / "package"
            _write(package, kind, words)
            package.rename(folder)
    except OSError as error:
        raise ScaffoldError(
            f"cannot write {folder}\n  because {error}\n  try: a folder that you may write to"
        ) from error
    return folder


def _check_kind(kind: str) -> None:
    if kind in KINDS:
        return
    near = difflib.get_close_matches(kind, KINDS, n=1)
    hint = f" - did you mean {near[0]!r}?" if near else ""
    raise ScaffoldError(f"no kind of plugin {kind!r}{hint}\n  try: one of {', '.join(KINDS)}")


def _check_name(kind: str, name: str) -> None:
    prefix = re.fullmatch(r"(?:panther-)?(" + "|".join(KINDS) + r")-(.+)", name)
    if prefix and (prefix[1] == kind or name.startswith("panther-")):
        raise ScaffoldError(
            f"the name {name!r} repeats what the package name says anyway\n"
            f"  try: {prefix[2]!r}, which gives panther-{kind}-{prefix[2]}"
        )
    if _NAME.fullmatch(name) and len(name) <= _LONGEST_NAME:
        return
    proposal = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:_LONGEST_NAME].strip("-")
    raise ScaffoldError(
        f"{name!r} cannot be the name of a plugin\n"
        f"  because a name is at most {_LONGEST_NAME} of a-z, 0-9 and single hyphens, and begins with a letter"
        + (f"\n  try: {proposal!r}" if proposal else "")
    )


def _words(kind: str, name: str) -> dict[str, str]:
    """Return what the templates may say: every form of the name that the law gives."""
    words = {
        "kind": kind,
        "name": name,
        "ident": name.replace("-", "_"),
        "cls": "".join(part.capitalize() for part in name.split("-")),
        "dist": f"panther-{kind}-{name}",
        "entry": f"{kind}-{name}",
        "package": f"panther_{kind}_{name.replace('-', '_')}",
    }
    usage = _templates() / kind / "usage.md"
    return {**words, "usage": Template(usage.read_text("utf-8")).substitute(words).strip(), "what": KINDS[kind]}


def _templates() -> Traversable:
    return resources.files("panther_core.scaffold") / "templates"


def _write(package: Path, kind: str, words: Mapping[str, str]) -> None:
    for part in ("common", kind):
        for path, source in _files(_templates() / part, PurePosixPath()):
            place = package / str(path).replace("__package__", words["package"]).replace(
                "__ident__", words["ident"]
            ).replace("__name__", words["name"])
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(Template(source.read_text("utf-8")).substitute(words), "utf-8")


def _files(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    """Yield every template below ``folder`` with the path it gets in the package."""
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _files(each, path / each.name)
        elif each.name.endswith(_SUFFIX):
            yield path / each.name.removesuffix(_SUFFIX), each
