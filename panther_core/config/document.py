"""Reads YAML files into trees: safely, with positions, with includes and environment variables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from panther_core.config.diagnostics import Diagnostic, Findings, failure
from panther_core.config.tree import KeyPath, Mark, Node, Source

MOST_BYTES = 1 << 20
MOST_NODES = 200_000
MOST_FILES = 100
_MOST_DEPTH = 60
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "value", "merge"})
_WORDS: Mapping[str, object] = {"true": True, "false": False, "null": None, "~": None, "": None}


def load_document(path: Path | str, *, environ: Mapping[str, str], folder: Path | None = None) -> Node:
    """Read a YAML file; InvalidConfigurationError lists everything that is wrong with it.

    Relative paths in it count from ``folder``, or from the file's own folder.
    """
    path = Path(path)
    root = (path.parent if folder is None else folder).resolve()
    reader = _Reader(root=root, environ=environ)
    tree = reader.read(path, str(path), (), folder=root)
    reader.findings.raise_if_any()
    if tree is None:
        raise failure(str(path), "the file is empty")
    return tree


def parse_text(text: str, source: Source, *, environ: Mapping[str, str], path: KeyPath = ()) -> Node:
    """Read YAML that is not in a file, such as the value of ``--set``."""
    reader = _Reader(root=None, environ=environ)
    tree = reader.parse(text, source, path)
    reader.findings.raise_if_any()
    return tree or Node(None, Mark(source), path)


def scalar_value(tag: object, text: str) -> object:
    """Return the value of a scalar with a resolved tag; ValueError if it is no value of that tag."""
    kind = str(tag).removeprefix(_CORE)
    if kind == "int":
        return _integer(text)
    if kind == "float":
        lower = text.lower().replace("_", "")
        if lower.lstrip("+-") in (".inf", ".nan"):
            return math.nan if "nan" in lower else math.copysign(math.inf, -1 if lower[0] == "-" else 1)
        return float(lower)
    if kind in ("bool", "null"):
        return _WORDS[text.lower()]
    return text


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    body = digits.lstrip("+-")
    base = {"0x": 16, "0o": 8, "0b": 2}.get(body[:2], 10)
    number = int(body[2:] if base != 10 else body, base)  # noqa: PLR2004 - ten is the base of plain numbers
    return -number if digits.startswith("-") else number


@attrs.define
class _Reader:
    """Turns the node graph of one file, and of the files it includes, into a tree."""

    root: Path | None
    environ: Mapping[str, str]
    findings: Findings = attrs.field(factory=Findings)
    _count: int = 0
    _bytes: int = 0
    _files: int = 0

    def read(
        self, path: Path, name: str, including: tuple[Path, ...], at: KeyPath = (), *, folder: Path
    ) -> Node | None:
        """Return the tree of a file, or None if there is none to return."""
        self._files += 1
        if self._files > MOST_FILES:
            raise failure(name, f"more than {MOST_FILES} files are included")
        try:
            data = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
        except (OSError, ValueError) as error:
            raise failure(name, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
        self._bytes += MOST_BYTES + 1 if data is None else len(data)
        if data is None or self._bytes > MOST_BYTES:
            raise failure(name, f"larger than {MOST_BYTES >> 20} MiB, which no experiment file should be")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise failure(f"{name}:{line}", "is not UTF-8 text") from error
        return self.parse(text, Source(name, text.splitlines(), folder), at, (*including, path.resolve()))

    def parse(self, text: str, source: Source, at: KeyPath = (), files: tuple[Path, ...] = ()) -> Node | None:
        """Return the tree of a text, or None if it is empty or wrong."""
        try:
            root = YAML(typ="safe", pure=True).compose(text)
        except RecursionError:
            self._fail("nested too deeply", Mark(source, 1, 1))
            return None
        except (YAMLError, ValueError, OverflowError) as error:
            self.findings.found.append(_syntax_error(error, text, source))
            return None
        return None if root is None else _Builder(self, source, files).build(root, at, ())

    def _fail(self, message: str, mark: Mark, at: KeyPath = ()) -> None:
        self.findings.found.append(Diagnostic(message, mark, at))

    def count(self, name: str) -> None:
        """Count one node; a file that unfolds into too many is refused."""
        self._count += 1
        if self._count > MOST_NODES:
            raise failure(name, f"its aliases and includes unfold into more than {MOST_NODES:,} values")


def _syntax_error(error: Exception, text: str, source: Source) -> Diagnostic:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Diagnostic(f"the character U+{_code(error):04X} is not allowed in YAML", Mark(source, line, column))
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = Mark(source, mark.line + 1, mark.column + 1) if mark else Mark(source)
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, MarkedYAMLError) and error.problem:
        message = f"{error.problem} {error.context}" if error.context else str(error.problem)
    if "\\t" in message:
        message = "a tab cannot indent YAML: use spaces"
    return Diagnostic(f"not valid YAML: {message}" if "tab" not in message else message, place)


def _code(error: ReaderError) -> int:
    """Return the number of the character that a reader has refused."""
    return error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")


@attrs.define
class _Builder:
    """Builds the tree of one file."""

    reader: _Reader
    source: Source
    files: tuple[Path, ...]

    def build(self, node: Any, path: KeyPath, above: tuple[int, ...]) -> Node:
        """Return the tree below one YAML node; ``above`` holds the nodes on the way to it."""
        self.reader.count(self.source.name)
        mark = self._mark(node)
        if id(node) in above or len(above) > _MOST_DEPTH:
            self._report(node, path, "the value contains itself" if id(node) in above else "nested too deeply")
            return Node(None, mark, path)
        above = (*above, id(node))
        if str(node.tag) in ("!include", "!env"):
            return self._include(node, path) if str(node.tag) == "!include" else self._variable(node, path, above)
        if isinstance(node, ScalarNode):
            return Node(self._scalar(node, path), mark, path)
        if str(node.tag) not in (_CORE + "map", _CORE + "seq"):
            self._report(node, path, f"the tag {_shown(node.tag)} is not allowed (allowed: !include, !env)")
        if isinstance(node, SequenceNode):
            elements = (self.build(each, (*path, index), above) for index, each in enumerate(node.value))
            return Node(tuple(elements), mark, path)
        return self._mapping(node, path, above)

    def _mapping(self, node: MappingNode, path: KeyPath, above: tuple[int, ...]) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if str(key_node.tag) == _CORE + "merge":
                merged.extend(self._merged(value_node, path, above))
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in entries:
                self._report(key_node, (*path, key), f"the key {key!r} is already given in line {keys[key].line}")
                continue
            entries[key] = self.build(value_node, (*path, key), above)
            keys[key] = self._mark(key_node)
        for base in merged:
            for key, value in base.items():
                if key not in entries:
                    entries[key], keys[key] = value, base.key_mark(key)
        return Node(entries, self._mark(node), path, keys)

    def _merged(self, node: Any, path: KeyPath, above: tuple[int, ...]) -> Iterator[Node]:
        """Yield the mappings that a merge key (``<<``) brings."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        for part in parts:
            tree = self.build(part, path, above)
            if tree.is_mapping:
                yield tree
            else:
                self._report(part, path, "<< needs a mapping, or a list of mappings")

    def _key(self, node: Any, path: KeyPath) -> str | None:
        value = self._scalar(node, path) if isinstance(node, ScalarNode) else None
        if isinstance(value, str):
            return value
        what = f"{node.value!r} as a key must be quoted" if isinstance(node, ScalarNode) else "a key must be a text"
        self._report(node, path, what)
        return None

    def _scalar(self, node: ScalarNode, path: KeyPath) -> object:
        tag = str(node.tag)
        if tag.removeprefix(_CORE) not in _SCALAR_TAGS:
            self._report(node, path, f"the tag {_shown(node.tag)} is not allowed (allowed: !include, !env)")
            return None
        try:
            return scalar_value(tag, str(node.value))
        except (ValueError, KeyError, OverflowError):
            self._report(node, path, f"{str(node.value)[:40]!r} is no {tag.removeprefix(_CORE)}")
            return None

    def _include(self, node: Any, path: KeyPath) -> Node:
        mark = self._mark(node)
        name, root = str(node.value), self.reader.root
        if not isinstance(node, ScalarNode) or not name or "\0" in name or root is None or self.source.folder is None:
            self._report(node, path, "!include needs the name of a file, and works in files only")
            return Node(None, mark, path)
        target = (self.source.folder / name).resolve()
        if Path(name).is_absolute() or not target.is_relative_to(root):
            self._report(node, path, f"{name!r} is outside the experiment's folder: only relative paths inside it work")
        elif target in self.files:
            circle = " -> ".join(each.name for each in (*self.files, target))
            self._report(node, path, f"{name!r} includes itself: {circle}")
        elif not target.is_file():
            self._report(node, path, f"there is no file {name!r} (looked in {self.source.folder.name or '/'}/)")
        else:
            shown = str(Path(self.source.name).parent / name)
            return self.reader.read(target, shown, self.files, path, folder=target.parent) or Node(None, mark, path)
        return Node(None, mark, path)

    def _variable(self, node: Any, path: KeyPath, above: tuple[int, ...]) -> Node:
        mark = self._mark(node)
        default: Node | None = None
        name: object = node.value
        if isinstance(node, MappingNode):
            fields = {str(key.value): value for key, value in node.value}
            unknown = set(fields) - {"name", "default"}
            name = fields["name"].value if not unknown and "name" in fields else None
            default = self.build(fields["default"], path, above) if "default" in fields else None
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            self._report(node, path, "!env needs a variable's name: !env NAME, or !env {name: NAME, default: value}")
            return Node(None, mark, path)
        if name in self.reader.environ:
            return Node(self.reader.environ[name], mark, path, loose=True)
        if default is None:
            self._report(
                node,
                path,
                f"the environment variable {name} is not set (to do without it: !env {{name: {name}, default: ...}})",
            )
        return default or Node(None, mark, path)

    def _report(self, node: Any, path: KeyPath, message: str) -> None:
        self.reader.findings.found.append(Diagnostic(message, self._mark(node), path))

    def _mark(self, node: Any) -> Mark:
        return Mark(self.source, node.start_mark.line + 1, node.start_mark.column + 1)


def _shown(tag: object) -> str:
    text = str(tag)
    return "!!" + text.removeprefix(_CORE) if text.startswith(_CORE) else text
