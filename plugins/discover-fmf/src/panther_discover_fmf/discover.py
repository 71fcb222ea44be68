"""From a tree of fmf metadata to test cases."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fmf
import fmf.context
import fmf.utils

from panther_discover_fmf.options import DiscoverOptions
from panther_hookspecs import ConfigurationException

DEFAULT_DURATION = "5m"
DEFAULT_ORDER = 50
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?P<number>\d+)(?P<unit>[smhd]?)")
_LISTS = ("author", "tag", "require", "recommend", "contact", "component", "link", "adjust", "check")
_DEFAULTS = {
    "enabled": True,
    "order": DEFAULT_ORDER,
    "duration": DEFAULT_DURATION,
    "framework": "shell",
    "result": "respect",
    "environment": {},
    "manual": False,
    "tty": False,
    "restart-max-count": 1,
    "restart-on-exit-code": [],
    "restart-with-reboot": False,
} | dict.fromkeys(("summary", "description", "tier", "id", "where"))
"""What is known of a test that says nothing about it: filters and conditions can ask for all of it."""
_LONGEST_NAME = 200
_RUN = ".panther"
"""A folder with this is a run of PANTHER: what tests have left there is no metadata."""


def find(options: DiscoverOptions, folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield a test case for each test that is chosen, in the order in which tmt would run them; none is for people."""
    tree = grown(folder / options.path, options.context)
    root = Path(tree.root)
    shown = str(root.relative_to(folder)) if root.is_relative_to(folder) else str(root)
    for number, node in enumerate((each for each in tests_of(tree, options) if not each.get("manual")), start=1):
        yield _case(node, shown, number, options)


def grown(path: Path, context: Mapping[str, Any]) -> fmf.Tree:
    """Return the tree that a folder belongs to, its rules decided by ``context``."""
    try:
        tree = fmf.Tree(str(path.absolute()))
        given = {
            dimension: list(value) if not isinstance(value, str) else [value] for dimension, value in context.items()
        }
        tree.adjust(fmf.context.Context(**given), case_sensitive=False)
    except (fmf.utils.GeneralError, fmf.context.InvalidRule, fmf.context.InvalidContext) as error:
        told = " ".join(str(error).split())
        way_out = "a folder in which `fmf init` was run" if isinstance(error, fmf.utils.RootError) else "`fmf ls` there"
        raise ConfigurationException(f"{path}: {told}\n  try: {way_out}") from error
    return tree


def tests_of(tree: fmf.Tree, options: DiscoverOptions) -> list[fmf.Tree]:
    """Return the chosen tests of a tree, ordered by their key ``order``, then by name."""
    in_run = functools.cache(lambda folder: any((each / _RUN).exists() for each in (folder, *folder.parents)))
    found = [
        node
        for node in tree.prune(keys=["test"], names=list(options.names))
        if _is_chosen(node, options)
        and not any(re.search(each, node.name) for each in options.exclude)
        and not any(in_run(Path(each).parent) for each in node.sources[-1:])
    ]
    return sorted(found, key=_order)


def _order(node: fmf.Tree) -> int:
    """Return the place of a test among others; a key without a value counts as left out."""
    value = node.get("order")
    try:
        return DEFAULT_ORDER if value is None else int(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationException(f"{node.name}: order: expected a whole number, got {value!r}") from error


def _is_chosen(node: fmf.Tree, options: DiscoverOptions) -> bool:
    if not options.disabled and str(node.get("enabled", True)).lower() != "true":
        return False
    if not (options.filter or options.condition or options.link):
        return True
    data = metadata_of(node)
    told = {**data, **{key: [each, str(each).lower()] for key, each in data.items() if isinstance(each, bool)}}
    try:
        return (
            all(fmf.utils.evaluate(each, data, node) for each in options.condition)
            and all(fmf.utils.filter(each, told, regexp=True) for each in options.filter)
            and (not options.link or any(_is_linked(data["link"], each) for each in options.link))
        )
    except fmf.utils.FilterError:  # it lacks what the filter is about
        return False
    except Exception as error:
        raise ConfigurationException(f"{node.name}: cannot be filtered: {error}") from error


def metadata_of(node: fmf.Tree) -> dict[str, Any]:
    """Return the metadata of a test with defaults filled in, and lists where one value stands for a list of one."""
    told = {"name": node.name, "path": _folder_of(node), "sources": node.sources}
    data = {**_DEFAULTS, **told, **copy.deepcopy(node.get())}
    data |= {key: _listed(data.get(key)) for key in _LISTS}
    data["link"] = [each if isinstance(each, Mapping) else {"relates": each} for each in data["link"]]
    data["environment"] = _variables(data["environment"])
    data["order"] = _order(node)
    data["tier"] = None if data["tier"] is None else str(data["tier"])
    return data


def _is_linked(links: Sequence[Any], wanted: str) -> bool:
    relation, separator, target = wanted.partition(":")
    relation, target = (relation, target) if separator else ("", wanted)
    for link in links:
        for name, value in link.items():
            if name != "note" and re.search(relation, name) and re.search(target, str(value)):
                return True
    return False


def seconds_of(duration: object) -> float:
    """Return a duration as tests write it, ``1h 30m`` or ``10m *2``, in seconds."""
    total, factor = 0.0, 1.0
    for word in str(duration).replace("+", " ").split():
        match = _DURATION.fullmatch(word)
        if match:
            total += int(match["number"]) * _UNITS[match["unit"] or "s"]
        elif re.fullmatch(r"\*\d+(\.\d+)?", word):
            factor *= float(word[1:])
        else:
            raise ConfigurationException(f"{duration!r} is no duration: write 90, 5m or 1h 30m")
    return total * factor


def _case(node: fmf.Tree, root: str, serial: int, options: DiscoverOptions) -> Mapping[str, Any]:
    data = metadata_of(node)
    if not isinstance(data["test"], str) or not data["test"].strip():
        raise ConfigurationException(f"{node.name}: test: expected a shell command, got {data['test']!r}")
    try:
        timeout = seconds_of(data["duration"] or DEFAULT_DURATION)
    except ConfigurationException as error:
        raise ConfigurationException(f"{node.name}: {error}") from error
    tags = [str(each) for each in data["tag"]]
    tags += [f"tier-{data['tier']}"] if data["tier"] is not None else []
    tags += [f"component-{each}" for each in data["component"]]
    service = {
        "implementation": "fmf",
        "test": data["test"],
        "test_name": node.name,
        "tree": root,
        "path": str(data["path"] or _folder_of(node)),
        "framework": str(data["framework"] or "shell"),
        "result": str(data["result"] or "respect"),
        "requires": _required(data["require"]) if options.requires != "ignore" else [],
        "recommends": _required(data["recommend"]) if options.requires == "install" else [],
        "install": options.requires == "install",
        "variables": {**data["environment"], **options.environment},
        "serial": serial,
        "metadata": {"context": _plain(options.context), **_plain(_lasting(data))},
    }
    return {
        "name": node.name[:_LONGEST_NAME],
        "description": " ".join(str(data["summary"] or "").split()),
        "protocol": "fmf",
        "services": {"test": service},
        "timeout": timeout,
        "tags": tags,
    }


def _lasting(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a test is told about itself: nothing that differs from checkout to checkout."""
    return {key: each for key, each in data.items() if each is not None and key not in ("adjust", "sources")}


def _folder_of(node: fmf.Tree) -> str:
    """Return the folder of the file that a test is defined in, as seen from the root of the tree."""
    if not node.sources:
        return "/"
    folder = Path(node.sources[-1]).parent
    return f"/{folder.relative_to(node.root)}" if folder.is_relative_to(node.root) else "/"


def _required(wanted: Sequence[Any]) -> list[str]:
    """Return packages by name, libraries as where they would come from, and no files: the whole tree is there."""
    return [
        f"library: {each.get('url') or each.get('path') or 'of this tree'} {each.get('name') or ''}".strip()
        if isinstance(each, Mapping)
        else str(each)
        for each in wanted
        if not (isinstance(each, Mapping) and each.get("type") == "file")
    ]


def _variables(value: object) -> dict[str, str]:
    return {str(key): str(each) for key, each in value.items()} if isinstance(value, Mapping) else {}


def _listed(value: object) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
