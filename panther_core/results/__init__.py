"""The run directory: evidence, journal and provenance on disk, and how to read them again."""

from __future__ import annotations

from panther_core.results.directory import RunDirectory, RunDirectoryError, find_run
from panther_core.results.view import DirectoryView

__all__ = ["DirectoryView", "RunDirectory", "RunDirectoryError", "find_run"]
