"""The commands that the engine brings, registered through the same hook as those of plugins."""

from __future__ import annotations

from panther_core.cli.commands import (
    clean,
    completion,
    doctor,
    new,
    plan,
    plugins,
    report,
    resume,
    run,
    schema,
    show,
    validate,
)
from panther_hookspecs import CommandDescriptor

_MODULES = (run, validate, plan, plugins, schema, doctor, show, report, resume, clean, new, completion)


def descriptors() -> tuple[CommandDescriptor, ...]:
    """Return the built-in commands, in the order in which a user meets them."""
    return tuple(module.COMMAND for module in _MODULES)
