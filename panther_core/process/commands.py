"""Commands that are run to their end: tools, compilers, probes. The same supervisor starts them."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from panther_core.process.launcher import LocalLauncher
from panther_hookspecs import (
    BaseEvent,
    CommandExecutionEvent,
    CommandProcessor,
    CommandResult,
    ServiceCommand,
    ShellCommand,
)

SHOWN = 64 << 10
"""Bytes of each stream that are returned as text."""


@attrs.define(eq=False)
class LocalCommandProcessor(CommandProcessor):
    """Runs commands on this machine.

    A command inherits the environment of PANTHER, without the variables that would change a Python interpreter, plus
    its own ``env``. Its output goes to ``log_dir/NAME.stdout`` and ``NAME.stderr``, never overwriting a former one;
    without a folder it is kept in memory.
    """

    launcher: LocalLauncher
    emit: Callable[[BaseEvent], None] | None = None
    environment_name: str = ""

    def execute(
        self, command: ShellCommand, *, log_dir: Path | None = None, name: str = "", stdin: bytes = b""
    ) -> CommandResult:
        """Run ``command``, keep its output in ``log_dir``, end its tree at its timeout; never raise for its failure."""
        label = name or Path(command.command).name or "command"
        began = time.monotonic()
        with _files(log_dir, label, stdin) as (source, stdout, stderr):
            process = self.launcher.launch(
                ServiceCommand(program=command), name=label, cwd=Path.cwd(), stdin=source, stdout=stdout, stderr=stderr
            )
            try:
                status = process.wait(command.timeout)
                if status is None:
                    status = process.end("timeout", f"ran longer than {command.timeout:g} s")
            finally:
                process.kill()
            duration = time.monotonic() - began
            kept = log_dir is not None
            result = CommandResult(
                command=command,
                exit=status,
                duration=duration,
                usage=process.usage,
                stdout=_text(stdout),
                stderr=_text(stderr),
                stdout_path=stdout if kept else None,
                stderr_path=stderr if kept else None,
            )
        if self.emit is not None:
            self.emit(
                CommandExecutionEvent(
                    command=command.to_string(),
                    exit_code=result.exit_code,
                    environment_name=self.environment_name,
                    duration_ms=round(duration * 1000),
                )
            )
        return result


@contextmanager
def _files(log_dir: Path | None, name: str, stdin: bytes) -> Iterator[tuple[str, Path, Path]]:
    """Yield the paths of input, output and errors; what is in memory vanishes afterwards, even if PANTHER is killed."""
    opened: list[int] = []

    def memory(content: bytes = b"") -> str:
        opened.append(os.memfd_create("panther", os.MFD_CLOEXEC))
        os.write(opened[-1], content)
        return f"/proc/{os.getpid()}/fd/{opened[-1]}"

    try:
        source = memory(stdin) if stdin else "/dev/null"
        if log_dir is None:
            yield source, Path(memory()), Path(memory())
        else:
            yield source, *_unused(log_dir, name)
    finally:
        for fd in opened:
            os.close(fd)


def _unused(folder: Path, name: str) -> tuple[Path, Path]:
    """Create and return the pair of files of the first free ``name``, ``name-2``, ..."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        stem = name if number == 1 else f"{name}-{number}"
        stdout = folder / f"{stem}.stdout"
        try:
            os.close(os.open(stdout, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue
        except OSError:
            break  # The supervisor meets the same error and says that because of it the program could not start.
        break
    return stdout, folder / f"{stem}.stderr"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SHOWN).decode("utf-8", "replace")
    except OSError:
        return ""
