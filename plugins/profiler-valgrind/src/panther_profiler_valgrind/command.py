"""From options to valgrind's command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from panther_profiler_valgrind.options import (
    CallgrindOptions,
    CheckerOptions,
    DhatOptions,
    HelgrindOptions,
    MassifOptions,
    MemcheckOptions,
    ValgrindOptions,
)

SHIPPED = Path(__file__).with_name("panther.supp")


def report_pattern(options: ValgrindOptions) -> str:
    """Return the name of the files that a tool writes its results to, with ``%p`` for the process."""
    return f"{options.TOOL}.%p.{'xml' if isinstance(options, CheckerOptions) else 'out'}"


def prefix(options: ValgrindOptions, runtime: str, folder: Path) -> tuple[str, ...]:
    """Return all that stands before the program.

    The variables are set outside of valgrind: an ``env`` inside of it would be what valgrind watches.
    """
    variables = _for_python(options) if runtime == "python" else ()
    return (*(("env", *variables) if variables else ()), "valgrind", *arguments(options, folder))


def _for_python(options: ValgrindOptions) -> tuple[str, ...]:
    """Return what Python needs under valgrind.

    The fault handler gives signals a stack of their own. Python asks for one even where it has none, and then
    valgrind cannot deliver a signal for which the program's stack would have to grow.
    """
    apart = isinstance(options, MemcheckOptions | MassifOptions | DhatOptions) and options.python_malloc
    return ("PYTHONFAULTHANDLER=1", *(("PYTHONMALLOC=malloc",) if apart else ()))


def ignores_environment(words: Sequence[str]) -> bool:
    """Return whether these arguments of Python, up to its program, keep it from reading its variables."""
    for word in words:
        if not word.startswith("-") or word in ("-", "-c", "-m"):
            return False
        if not word.startswith("--") and {"I", "E"} & set(word):
            return True
    return False


def arguments(options: ValgrindOptions, folder: Path) -> tuple[str, ...]:
    """Return valgrind's options, for results in ``folder``."""
    follow = f"--trace-children={'yes' if options.follows else 'no'}"
    return (f"--tool={options.TOOL}", "--vgdb=no", follow, *_of_tool(options, folder), *options.arguments)


def suppression_files(options: CheckerOptions) -> tuple[Path, ...]:
    """Return every suppression file in use."""
    shipped = (SHIPPED,) if options.shipped_suppressions and isinstance(options, MemcheckOptions) else ()
    return (*shipped, *options.suppressions)


def _of_tool(options: ValgrindOptions, folder: Path) -> Iterator[str]:
    # A percent sign in the path of the run would be taken for a placeholder.
    place = str(folder).replace("%", "%%")
    if isinstance(options, CheckerOptions):
        # No --log-file: with one, the copies that a program forks would write no XML of their own.
        yield from ("--xml=yes", f"--xml-file={place}/{report_pattern(options)}", "--gen-suppressions=all")
        yield f"--num-callers={options.num_callers}"
        yield from (f"--suppressions={path.absolute()}" for path in suppression_files(options))
        yield from _of_checker(options)
    else:
        yield f"--{options.TOOL}-out-file={place}/{report_pattern(options)}"
        yield f"--log-file={place}/{options.TOOL}.%p.log"
    if isinstance(options, MassifOptions):
        yield f"--peak-inaccuracy={options.peak_inaccuracy * 100:g}"
        yield f"--stacks={'yes' if options.stacks else 'no'}"
    if isinstance(options, CallgrindOptions):
        # A forked copy goes on counting from the numbers of its parent, unless those are written down and zeroed.
        yield from ("--compress-strings=yes", "--dump-before=fork")


def _of_checker(options: CheckerOptions) -> Iterator[str]:
    if options.error_exitcode:
        yield f"--error-exitcode={options.error_exitcode}"
    if isinstance(options, MemcheckOptions):
        kinds = ",".join(options.leak_kinds)
        if kinds:
            yield from ("--leak-check=full", f"--show-leak-kinds={kinds}", f"--errors-for-leak-kinds={kinds}")
        else:
            yield "--leak-check=no"
        if options.track_origins:
            yield "--track-origins=yes"
    else:
        yield "--fair-sched=try"
        if isinstance(options, HelgrindOptions):
            yield f"--history-level={options.history_level}"
