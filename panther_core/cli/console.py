"""What a command of the console works with: two streams, the user's global options, and the engine behind them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from panther_core.cli.blocks import Block, Plain, Styled, Writer, parts
from panther_core.cli.messages import message_lines
from panther_hookspecs import CommandContext, ConfigurationException, PluginValidationError, RunView

if TYPE_CHECKING:  # this module holds no attrs class, and the engine costs more than most commands need
    from panther_core.app import Panther
    from panther_core.config import GlobalConfig
    from panther_core.plugin_manager import PluginManager

_NARROW = 40


class Console(CommandContext):
    """Prints, and hands out the engine and the runs. Made once for each call of ``main``."""

    def __init__(
        self,
        *,
        config_file: str = "",
        block: Sequence[str] = (),
        extra: Sequence[object] = (),
        color: str = "auto",
        strict: bool = False,
        verbosity: int = 0,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Take the global options; streams and environment are the process's own unless given."""
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self.environ = os.environ if environ is None else environ
        self.config_file = config_file
        self.block = tuple(block)
        self.extra = tuple(extra)
        self.color = color
        self.strict = strict
        self.verbosity = verbosity
        self.run: Path | None = None
        """The folder of the run that this command carries out, once there is one."""

    def colourful(self, stream: TextIO) -> bool:
        """Return whether colours are wanted on ``stream``: by --color, else on a terminal that is not a CI log."""
        if self.color != "auto":
            return self.color == "always"
        return self.interactive(stream) and not self.environ.get("NO_COLOR")

    def interactive(self, stream: TextIO) -> bool:
        """Return whether a person looks at ``stream`` right now."""
        return stream.isatty() and not self.environ.get("CI") and self.environ.get("TERM") != "dumb"

    def writer(self, stream: TextIO) -> Writer:
        """Return what makes text for ``stream``: plainly for a log or a program, with rich where somebody looks."""
        looked_at = self.interactive(stream)
        if not (looked_at or self.colourful(stream)):
            return Plain()
        from panther_core.cli.paper import Paper  # noqa: PLC0415 - rich costs more than most commands

        return Paper(
            stream,
            colours=self.colourful(stream),
            links=looked_at and self.colourful(stream),
            columns=max(shutil.get_terminal_size().columns - 1, _NARROW) if looked_at else 0,
        )

    @cached_property
    def settings(self) -> GlobalConfig:
        """The global configuration: the file of --config, or the defaults."""
        from panther_core.config import GlobalConfig  # noqa: PLC0415 - reading YAML costs more than most commands

        return GlobalConfig.load(self.config_file) if self.config_file else GlobalConfig()

    @cached_property
    def plugins(self) -> PluginManager:
        """The installed plugins."""
        return self.load()

    def load(self, *kinds: str) -> PluginManager:
        """Load the plugins; with ``kinds`` only those that bring such capabilities, and nothing else of them."""
        from panther_core.plugin_manager import KINDS, PluginManager  # noqa: PLC0415 - needs pluggy

        only = self.environ.get("PANTHER_PLUGINS")
        block = self._blocked()
        manager = PluginManager.load(
            block=block, only=only.split(",") if only else None, extra=self.extra, kinds=kinds or KINDS
        )
        self._check(manager, block)
        return manager

    def _check(self, manager: PluginManager, block: Sequence[str]) -> None:
        """Refuse to block what does not exist; with --strict, refuse to work beside a plugin that is broken."""
        from panther_core.registry import UnknownNameError  # noqa: PLC0415 - needs the contract only when asked

        own = manager.plugins[0]
        if own.status == "broken":
            raise RuntimeError(f"the engine cannot be loaded: {own.reason}")
        names = [each.name for each in manager.plugins]
        for name in block:
            if name not in names:
                raise UnknownNameError("plugin", name, names)
        wrong = [each for each in manager.plugins if each.status in ("broken", "incompatible")]
        if wrong and self.strict:
            raise PluginValidationError(f"plugin {wrong[0].name} is {wrong[0].status}: {wrong[0].reason}")

    def _blocked(self) -> tuple[str, ...]:
        if not self.config_file:
            return self.block
        configured = self.settings.plugins.get("block", ())
        return (*self.block, *([configured] if isinstance(configured, str) else configured))

    @cached_property
    def panther(self) -> Panther:
        """The engine with these plugins and this configuration."""
        from panther_core.app import Panther  # noqa: PLC0415 - imports the whole engine

        return Panther(self.settings, self.plugins)

    @property
    def runs(self) -> Path:
        """The folder in which runs are made."""
        return Path(self.settings.paths.get("output_dir", "runs")) if self.config_file else Path("runs")

    def folder_of_runs(self, name: str | None) -> Path:
        """Return the folder called ``name``, which has to be there; without a name the one in which runs are made."""
        if name and not Path(name).is_dir():
            raise ConfigurationException(
                f"there is no folder {name}\n  try: panther run, which makes runs below {self.runs}/"
            )
        return Path(name) if name else self.runs

    def run_folder(self, name: str) -> Path:
        """Return the folder of the run called ``name``: a path, a name below the runs folder, or ``last``."""
        from panther_core.results import find_run  # noqa: PLC0415 - needed by few commands

        return find_run(name, self.runs)

    def open_run(self, name: str) -> RunView:
        """Return the run of that folder or name (``last`` for the newest)."""
        from panther_core.results import DirectoryView  # noqa: PLC0415 - needed by few commands

        return DirectoryView(self.run_folder(name))

    def say(self, text: str = "") -> None:
        """Print a line to standard output."""
        self.stdout.write(text + "\n")

    def show(self, *blocks: Block) -> None:
        """Print lines and tables to standard output."""
        self.stdout.write(self.writer(self.stdout).render(*blocks))

    def warn(self, *blocks: Block) -> None:
        """Print lines to standard error."""
        self.stderr.write(self.writer(self.stderr).render(*blocks))

    def complain(self, text: str) -> None:
        """Print a message to standard error; what is said last there names the cause."""
        first, *more = message_lines(text) or [""]
        self.warn([Styled("panther:", "bold red"), " ", *parts(first)], *more)
