"""One run as the console conducts it: the screen around it, the reports after it, the summary and the exit code."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from panther_core.capture import KEEP_CAPTURE
from panther_core.cli.attempts import counted
from panther_core.cli.blocks import Part, link
from panther_core.cli.console import Console
from panther_core.cli.failures import cannot_write
from panther_core.cli.screen import SCREENS, JsonScreen, LineScreen, QuietScreen, Screen
from panther_core.cli.text import duration, plural, shown_path
from panther_hookspecs import PantherExperimentError, ReportDescriptor, RunView, Verdict

if TYPE_CHECKING:  # names in signatures; the engine is imported by whoever has made one
    from panther_core.app import RunSummary

_ENDING = (signal.SIGTERM, signal.SIGHUP)

Conduct = Callable[[Screen], "RunSummary"]

_CANNOT_RUN = 3


def add_jobs_option(parser: argparse.ArgumentParser) -> None:
    """Add how many cases run at the same time."""
    parser.add_argument(
        "--jobs",
        "-j",
        type=_jobs,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="cases whose programs run at the same time (default: one for each processor)",
    )


def add_screen_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` and `resume` share."""
    add_jobs_option(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first case that is not as expected")
    parser.add_argument(
        "--no-fast-fail", action="store_true", help="go on where every later case would end in the same error"
    )
    parser.add_argument(
        "--keep-capture",
        choices=KEEP_CAPTURE,
        default=KEEP_CAPTURE[0],
        help="when to keep recordings of packets; on-failure: of cases that are not as expected (default: always)",
    )
    parser.add_argument("--ui", choices=SCREENS, help="what to show (default: live on a terminal, else lines)")
    parser.add_argument(
        "--report",
        action="append",
        default=[],
        metavar="NAME[=FILE]",
        help="write this report at the end, into the run's folder or to FILE; may be repeated",
    )


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def conduct(args: argparse.Namespace, console: Console, action: Conduct) -> int:
    """Run ``action`` under the chosen screen, then write the reports and say how it went."""
    reports = [_report(each, console) for each in args.report]
    screen = make_screen(args.ui, console)
    try:
        with screen, signals_interrupt():
            summary = action(screen)
    except PantherExperimentError as error:
        if isinstance(screen, JsonScreen):
            screen.emit(
                "summary",
                {
                    "verdict": Verdict.ERROR.value,
                    "counts": {},
                    "run": None,
                    "unexpected": 0,
                    "changes": {},
                    "errors": [str(error)],
                    "exit_code": error.exit_code,
                },
            )
        raise
    finally:
        console.run = screen.progress.folder
    if summary.run is not None:
        for descriptor, target in sorted(reports, key=lambda each: each[0].refers):
            write_report(descriptor, summary.run, target, console)
    return _conclude(summary, screen, console)


@contextlib.contextmanager
def signals_interrupt(*always: signal.Signals) -> Iterator[None]:
    """Let the signals that end a job, of a CI server or a closed terminal, do what Ctrl-C does.

    ``always`` are some that do so even where whoever started us has them ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (*_ENDING, *always)}
    for each, handler in before.items():
        if each in always or handler is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def make_screen(name: str | None, console: Console) -> Screen:
    """Return the screen of that name; by default the live one for a person and lines for a log."""
    stream = console.stdout
    wanted = name or ("live" if console.interactive(stream) else "lines")
    if wanted == "live" and stream.isatty() and console.environ.get("TERM") != "dumb":
        from panther_core.cli.live import LiveScreen  # noqa: PLC0415 - rich is for those who look at a terminal

        return LiveScreen(stream, colours=console.colourful(stream))
    if wanted in ("live", "lines"):
        return LineScreen(stream, writer=console.writer(stream))
    return JsonScreen(stream) if wanted == "json" else QuietScreen(stream)


def _report(text: str, console: Console) -> tuple[ReportDescriptor, str]:
    """Look the report up before anything runs."""
    name, _, target = text.partition("=")
    descriptor = console.plugins.registry.get(ReportDescriptor, name)
    if target:
        _make_room(Path(target))
    return descriptor, target


def _make_room(path: Path) -> None:
    """Make the folder of a file that will be written; raise where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_write(path, error) from error


def write_report(descriptor: ReportDescriptor, run: Path, target: str, console: Console, against: str = "") -> Path:
    """Write one report of a run; an empty ``target`` means the report's own file name in the run's folder.

    ``against`` is an earlier run to set it against.
    """
    view = _handed(run, against, console)
    path = Path(target) if target else run / descriptor.filename
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor.write(view, path, descriptor.options())
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def _handed(run: Path, against: str, console: Console) -> RunView:
    from panther_core.compare import as_data, compare  # noqa: PLC0415 - statistics that few commands need
    from panther_core.reports.handed import HandedRun  # noqa: PLC0415 - needed when a report is written

    comparison = None
    if against:
        earlier, later = console.open_run(against), console.open_run(str(run))
        comparison = as_data(compare(earlier, later), earlier.folder, later.folder)
    drawers = tuple(each for each in console.plugins.registry.all(ReportDescriptor) if each.figures)
    return HandedRun(folder=run, drawers=drawers, comparison=comparison, warn=console.complain)


def _conclude(summary: RunSummary, screen: Screen, console: Console) -> int:
    if isinstance(screen, JsonScreen):
        screen.emit("summary", _as_json(summary))
    elif not isinstance(screen, QuietScreen):
        screen.write(console.writer(console.stdout).render(_told(summary, screen.progress.elapsed)))
    cause = cause_of(summary)
    if cause:
        console.complain(cause)
    return summary.exit_code


def _told(summary: RunSummary, seconds: float) -> list[Part]:
    """Return in one line what ran and how it came out."""
    done = sum(summary.counts.values())
    ran = plural(done, "case") if done >= summary.total else f"{done} of {plural(summary.total, 'case')}"
    good = ", all as expected" if done and done >= summary.total and not summary.unexpected else ""
    where: list[Part] = ["  ", link(summary.run)] if summary.run else []
    told: list[Part] = [f"{ran} in {duration(seconds)}: ", *(counted(summary.counts) or ["nothing ran"]), good, *where]
    return [*told, f"\n{not_ready(summary.left_out)}"] if summary.left_out else told


def not_ready(names: Sequence[str]) -> str:
    """Return which implementations a matrix over all of them has left out."""
    return f"not ready here and left out: {', '.join(names)}; panther doctor says what they need"


def cause_of(summary: RunSummary) -> str:
    """Return why the exit code is not 0, in a few lines of which the last names the cause."""
    lines = list(summary.errors)
    if summary.interrupted:
        lines.append(f"interrupted; to continue: panther resume {_name_of(summary)}")
    elif summary.unexpected:
        of = plural(sum(summary.counts.values()), "case")
        changes = ", ".join(f"{count} {verdict}" for verdict, count in sorted(summary.changes.items()))
        what = "could not run here" if summary.exit_code == _CANNOT_RUN else f"not as expected ({changes})"
        lines.append(f"{summary.unexpected} of {of} {what}; to see why: panther show {_name_of(summary)}")
    elif summary.exit_code and not summary.total and not lines:
        lines.append("nothing was run: no case matches the selection")
    elif summary.exit_code and not lines:
        lines.append(f"the run ended with {summary.verdict}")
    return "\n".join(lines)


def _name_of(summary: RunSummary) -> str:
    return shown_path(summary.run) if summary.run else ""


def _as_json(summary: RunSummary) -> dict[str, Any]:
    return {
        "verdict": summary.verdict,
        "counts": dict(summary.counts),
        "run": str(summary.run) if summary.run else None,
        "total": summary.total,
        "unexpected": summary.unexpected,
        "changes": dict(summary.changes),
        "interrupted": summary.interrupted,
        "errors": list(summary.errors),
        "exit_code": summary.exit_code,
    }
