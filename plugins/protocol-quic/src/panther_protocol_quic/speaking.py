"""Where the program lies that speaks QUIC for load generators and players, and what it leaves."""

from __future__ import annotations

from pathlib import Path

SPEAKER = Path(__file__).with_name("speaker.py")
MESSAGES = "messages.jsonl"
SCENARIOS = ("load", "replay")
"""Of every server, whatever else it claims: they ask for files, as all others do."""
