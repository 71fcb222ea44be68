"""Everything about processes: who starts them, waits for them, measures them, and sees to it that none is left."""

from __future__ import annotations

from panther_core.process.clean import alive_runs, leftovers
from panther_core.process.commands import LocalCommandProcessor
from panther_core.process.control import Supervisor
from panther_core.process.launcher import LocalLauncher, LocalProcess
from panther_core.process.usage import Sample

__all__ = ["LocalCommandProcessor", "LocalLauncher", "LocalProcess", "Sample", "Supervisor", "alive_runs", "leftovers"]
