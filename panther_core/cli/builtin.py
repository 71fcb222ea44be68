"""The commands that the engine brings, registered through the same hook as those of plugins."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from panther_hookspecs import CommandDescriptor

_COMMANDS = {
    "run": "Run an experiment",
    "validate": "Find every error in experiment files",
    "plan": "Show the cases of an experiment without running them",
    "plugins": "List plugins, hooks and events",
    "schema": "Print the JSON schema of experiments or of results",
    "doctor": "Show what this machine has and lacks for the installed plugins",
    "show": "Show what a run has found out",
    "compare": "Compare two runs: verdicts, findings, metrics",
    "expect": "Write down the verdicts of a run as those to expect",
    "report": "Make a report from a run",
    "export": "Make data for other programs from a run: json, csv, parquet, ...",
    "resume": "Continue a run that was interrupted",
    "watch": "Follow a run that was started elsewhere",
    "runs": "List the runs there are, what each has shown and how large it is",
    "serve": "Show the runs of a folder to a browser on this machine",
    "gc": "Remove old runs by a rule, or pack their evidence",
    "clean": "Remove what killed runs have left behind",
    "ci": "Write a workflow that runs an experiment for every change",
    "new": "Begin a plugin from a template",
    "completion": "Print a completion script for a shell",
}
"""Every module of ``panther_core.cli.commands`` with what it does."""


def descriptors() -> tuple[CommandDescriptor, ...]:
    """Return the built-in commands; the module of one is imported when that one is called."""
    return tuple(
        CommandDescriptor(name=name, summary=summary, configure=_late(name, "configure"), run=_late(name, "run"))
        for name, summary in _COMMANDS.items()
    )


def _late(command: str, function: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return getattr(importlib.import_module(f"panther_core.cli.commands.{command}"), function)(*arguments)

    return call
