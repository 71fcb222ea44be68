"""`panther export`: `panther report` under the word of those who want data for another program."""

from panther_core.cli.commands.report import configure, run

__all__ = ["configure", "run"]
