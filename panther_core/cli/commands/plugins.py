"""`panther plugins`: what is installed, what it brings, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from panther_core.cli.blocks import Rows, Styled
from panther_core.cli.console import Console
from panther_core.cli.text import plural
from panther_core.plugin_manager import PluginRecord
from panther_hookspecs import BaseEvent, summary_of

_STYLES = {"active": "green", "broken": "red", "incompatible": "red", "blocked": "dim"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to list instead of the plugins."""
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument(
        "--hooks", action="store_true", help="list the hooks with the plugins that implement them, in call order"
    )
    parser.add_argument("--events", action="store_true", help="list the events with their fields")


def run(args: argparse.Namespace, console: Console) -> int:
    """List it."""
    if args.hooks:
        return _hooks(args, console)
    if args.events:
        return _events(args, console)
    records = tuple(each for each in console.plugins.plugins if each.name != "builtin" or console.verbosity)
    if args.json:
        console.say(json.dumps([as_json(each) for each in records], indent=2))
    else:
        _table(records, console)
    return 0


def as_json(record: PluginRecord) -> Mapping[str, Any]:
    """Return all that is known about a plugin."""
    return {
        "name": record.name,
        "kind": record.kind,
        "distribution": record.distribution,
        "version": record.version,
        "status": record.status,
        "reason": record.reason,
        "hooks": list(record.hooks),
        "file": record.file,
        "provides": [dict(summary_of(each)) for each in record.provides],
    }


def _table(records: tuple[PluginRecord, ...], console: Console) -> None:
    if not records:
        console.say(
            "no plugin is installed; PANTHER itself runs nothing\n"
            "  try: pip install panther-env-localhost panther-protocol-minip panther-service-ping-pong"
        )
        return
    rows = [
        (each.name, each.version, Styled(each.status, _STYLES.get(each.status, "bold")), each.reason or _brings(each))
        for each in records
    ]
    console.show(Rows(rows=rows, titles=("plugin", "version", "status", "what it brings")))
    wrong = [each.name for each in records if each.status in ("broken", "incompatible")]
    if wrong:
        console.complain(f"{plural(len(wrong), 'plugin')} cannot be used: {', '.join(wrong)}")


def _brings(record: PluginRecord) -> str:
    kinds: dict[str, list[str]] = {}
    for each in record.provides:
        kinds.setdefault(each.KIND.replace("_", " "), []).append(each.name)
    return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items())


def _hooks(args: argparse.Namespace, console: Console) -> int:
    callers = console.plugins.callers()
    if args.json:
        console.say(json.dumps({name: list(plugins) for name, plugins in callers.items()}, indent=2))
    else:
        rows = [(name, ", ".join(plugins) or "-") for name, plugins in callers.items()]
        console.show(Rows(rows=rows, titles=("hook", "plugins, in the order of the calls")))
    return 0


def _events(args: argparse.Namespace, console: Console) -> int:
    events = event_classes()
    if args.json:
        console.say(
            json.dumps(
                [
                    {
                        "class": each.__qualname__,
                        "module": each.__module__,
                        "summary": _summary(each),
                        "fields": _fields(each),
                    }
                    for each in events
                ],
                indent=2,
            )
        )
    else:
        rows = [(each.__qualname__, ", ".join(_fields(each)), _summary(each)) for each in events]
        console.show(Rows(rows=rows, titles=("event", "fields", "what it tells")))
    return 0


def event_classes() -> list[type[BaseEvent]]:
    """Return every event class that the contract and the loaded plugins define, by name."""
    found: dict[str, type[BaseEvent]] = {}
    waiting = list(BaseEvent.__subclasses__())
    while waiting:
        each = waiting.pop()
        found[f"{each.__module__}.{each.__qualname__}"] = each
        waiting += each.__subclasses__()
    return sorted(found.values(), key=lambda each: each.__qualname__)


def _fields(event: type[BaseEvent]) -> list[str]:
    own = set(BaseEvent.__dataclass_fields__)
    return [name for name in event.__dataclass_fields__ if name not in own]


def _summary(event: type[BaseEvent]) -> str:
    return (event.__doc__ or "").partition("\n")[0]
