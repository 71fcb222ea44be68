"""`panther doctor`: what the installed plugins need from this machine, and what is therefore ready to use."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from panther_core.capabilities import matrix
from panther_core.cli.blocks import Part, Rows, Styled
from panther_core.cli.console import Console
from panther_core.cli.text import plural
from panther_core.needs import Found, look_for
from panther_hookspecs import Descriptor, Need

CANNOT_RUN = 3
_STATES = {True: "found", False: "missing", None: "unknown"}
_STYLES = {True: "", False: "red", None: "yellow"}
_FIXED = 2
"""Columns of the table of abilities before those of the network environments."""
_SILENT = ("command", "report", "observer", "test_type")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the choice of what to look at."""
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="look only at what has this name; the exit code is 3 if one of them is not ready",
    )
    parser.add_argument("--json", action="store_true", help="print an object")


def run(args: argparse.Namespace, console: Console) -> int:
    """Look for every need and say what is ready."""
    descriptors = _wanted(args.names, console)
    needs = list(dict.fromkeys(need for each in descriptors for need in each.needs))
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = dict(zip(needs, pool.map(lambda need: look_for(need, version=True), needs), strict=True))
    table = () if args.names else matrix(console.plugins.registry)
    if args.json:
        console.say(json.dumps({**_as_json(descriptors, found), "networks": _networks(table)}, indent=2))
    else:
        _print(descriptors, found, console)
        if table and len(table[0]) > _FIXED:
            console.show("", Styled("what networks can do, and by which link mechanism", "bold"))
            console.show(Rows(rows=[(row[0], *row[_FIXED:]) for row in table], indent=2))
    lacking = [each for each in descriptors if lacks(each, found)]
    if args.names and lacking:
        console.complain(f"not ready on this machine: {', '.join(each.name for each in lacking)}")
        return CANNOT_RUN
    return 0


def _wanted(names: Sequence[str], console: Console) -> list[Descriptor]:
    from panther_core.registry import UnknownNameError  # noqa: PLC0415 - needed only for an error

    everything = list(console.plugins.registry)
    known = {each.name for each in everything}
    for name in names:
        if name not in known:
            raise UnknownNameError("capability", name, known)
    return [each for each in everything if not names or each.name in names]


def lacks(descriptor: Descriptor, found: Mapping[Need, Found]) -> list[Found]:
    """Return what is certainly missing for ``descriptor``."""
    return [found[need] for need in descriptor.needs if found[need].ok is False]


def _print(descriptors: Sequence[Descriptor], found: Mapping[Need, Found], console: Console) -> None:
    if found:
        titles = ("need", "name", "state", "version, place, or how to get it", "for")
        console.show(Rows(rows=_rows(descriptors, found), titles=titles), "")
    shown = [each for each in descriptors if each.KIND not in _SILENT]
    ready = [each for each in shown if not lacks(each, found)]
    console.show(Rows(rows=_grouped(ready)))
    for each in shown:
        if each not in ready:
            what = ", ".join(
                f"{one.need.name} ({one.advice})" if one.advice else one.need.name for one in lacks(each, found)
            )
            console.show(f"not ready  {each.KIND.replace('_', ' ')} {each.name}: {what}")
    broken = [each for each in console.plugins.plugins if each.status in ("broken", "incompatible")]
    for record in broken:
        console.show(f"{record.status}  plugin {record.name}: {record.reason}")
    if not shown:
        console.say(f"nothing to look at: {plural(len(console.plugins.plugins) - 1, 'plugin')} installed")


def _rows(descriptors: Sequence[Descriptor], found: Mapping[Need, Found]) -> list[tuple[Part, ...]]:
    """Return one row for each thing that is needed, with everyone who needs it."""
    rows: dict[tuple[Part, ...], set[str]] = {}
    home = Path.home()
    for each in found.values():
        state = Styled(_STATES[each.ok], _STYLES[each.ok])
        told = each.advice if each.ok is False else each.detail or ("" if each.ok else each.need.why)
        name = each.need.name.replace(f"{home}/", "~/", 1) if each.need.name.startswith(f"{home}/") else each.need.name
        users = rows.setdefault((each.need.kind, name, state, told), set())
        users.update(one.name for one in descriptors if each.need in one.needs)
    return [(*row, ", ".join(sorted(users))) for row, users in rows.items()]


def _networks(table: Sequence[Sequence[str]]) -> Mapping[str, Mapping[str, str]]:
    """Return what each network environment can do, by its name."""
    if not table:
        return {}
    head, *rows = table
    return {name: {row[0]: row[at] for row in rows if row[at] != "-"} for at, name in enumerate(head) if at >= _FIXED}


def _grouped(descriptors: Iterable[Descriptor]) -> list[tuple[Styled, str, str]]:
    kinds: dict[str, list[str]] = {}
    for each in descriptors:
        kinds.setdefault(each.KIND.replace("_", " "), []).append(each.name)
    return [(Styled("ready", "green"), kind, ", ".join(names)) for kind, names in kinds.items()]


def _as_json(descriptors: Sequence[Descriptor], found: Mapping[Need, Found]) -> Mapping[str, Any]:
    return {
        "needs": [
            {
                "kind": each.need.kind,
                "name": each.need.name,
                "state": _STATES[each.ok],
                "detail": each.detail,
                "advice": each.advice,
                "for": [one.name for one in descriptors if each.need in one.needs],
            }
            for each in found.values()
        ],
        "capabilities": [
            {
                "kind": each.KIND,
                "name": each.name,
                "ready": not lacks(each, found),
                "missing": [one.need.name for one in lacks(each, found)],
            }
            for each in descriptors
        ],
    }
