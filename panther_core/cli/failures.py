"""How an exception ends the console: a message for a user's mistake, a saved traceback for a bug."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from panther_core.cache import cache_folder
from panther_core.cli.blocks import Rows
from panther_core.cli.console import Console
from panther_core.cli.messages import message_lines
from panther_core.cli.text import plural
from panther_core.cli.version import ask_version
from panther_hookspecs import (
    ConfigurationException,
    PantherExperimentError,
    PluginValidationError,
    ResourceExhaustionException,
)

if TYPE_CHECKING:  # only a name in a signature
    from panther_core.plugin_manager import PluginRecord

BUG = 1
CANNOT_RUN = 3
_TRACEBACKS_FROM = 2
_BUG_FILE = "bug-"
_MOST_BUGS = 20
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def explain(error: Exception, console: Console) -> int:
    """Say on standard error what ended the command, and return the exit code."""
    if console.verbosity >= _TRACEBACKS_FROM or console.environ.get("PANTHER_DEBUG"):
        console.stderr.write("".join(traceback.format_exception(error)))
    if isinstance(error, PantherExperimentError):
        _mention_broken(error, console)
        console.complain(_message(error, console))
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        console.complain(f"{error.strerror}{f': {error.filename}' if error.filename else ''}")
        return CANNOT_RUN
    _confess(error, console)
    return BUG


def cannot_write(path: Path | str, error: Exception) -> PantherExperimentError:
    """Return the error of an output that was asked for at a place where it cannot be: a wrong place, or a full disk."""
    full = isinstance(error, OSError) and error.errno in _EXHAUSTED
    kind = ResourceExhaustionException if full else ConfigurationException
    return kind(f"cannot write {path}: {getattr(error, 'strerror', None) or error}")


def _message(error: PantherExperimentError, console: Console) -> str:
    """Return the message; where there are many places to name, print those first, as editors and CI logs link them."""
    places = getattr(error, "diagnostics", ())
    if not places:
        return str(error) or type(error).__name__
    console.warn(*(Rows(rows=[[line]]) for line in message_lines(str(error))))
    return f"{plural(len(places), 'error')} in {', '.join(sorted({each.file for each in places}))}"


def _mention_broken(error: PantherExperimentError, console: Console) -> None:
    """Name the plugins that could not be loaded where something was not found: it may be theirs."""
    broken = [each.name for each in _loaded(console) if each.status in ("broken", "incompatible")]
    if broken and error.exit_code == PluginValidationError.exit_code:
        console.warn(f"not loaded: {', '.join(broken)} (panther plugins says why)")


def _confess(error: Exception, console: Console) -> None:
    """Report an exception that nobody has foreseen: whose bug it is, and where the traceback went."""
    culprit = culprit_of(error, _loaded(console))
    who = f"plugin {culprit.name} {culprit.version}".strip() if culprit else f"panther {ask_version()}"
    saved = _save(error, who, console)
    where = f"  the traceback is in {saved}" if saved else "  run again with -v -v to see the traceback"
    console.complain(f"this is a bug in {who}: {type(error).__name__}: {error}\n{where}")


def _loaded(console: Console) -> tuple[PluginRecord, ...]:
    """Return the plugins, unless loading them is what went wrong."""
    return console.plugins.plugins if "plugins" in vars(console) else ()


def culprit_of(error: BaseException, plugins: tuple[PluginRecord, ...]) -> PluginRecord | None:
    """Return the plugin in whose package the innermost frame of ours was, or None if that is the engine."""
    folders = {str(Path(each.file).parent): each for each in plugins if each.file and each.name != "builtin"}
    engine = str(Path(__file__).parents[1])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for folder, plugin in folders.items():
            if frame.filename.startswith(folder + os.sep):
                return plugin
        if frame.filename.startswith(engine + os.sep):
            return None
    return None


def _save(error: Exception, who: str, console: Console) -> str:
    """Write the traceback into the run, or else into the user's cache; return its path, or nothing if that fails."""
    now = datetime.now(UTC)
    head = f"{who}, Python {sys.version.split()[0]}, {now:%Y-%m-%dT%H:%M:%SZ}\nargv: {sys.argv!r}\n\n"
    folder = console.run or cache_folder(console.environ) / "bugs"
    path = folder / f"{_BUG_FILE}{now:%Y%m%dT%H%M%S.%fZ}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(head + "".join(traceback.format_exception(error)))
        for old in sorted(folder.glob(f"{_BUG_FILE}*.txt"))[:-_MOST_BUGS]:
            old.unlink()
    except OSError:
        return ""
    return str(path)
