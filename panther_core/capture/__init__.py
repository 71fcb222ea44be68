"""Recordings of packets: the recorder, the keys that go into its files, and what can be read from them."""

from __future__ import annotations

from panther_core.capture.keep import KEEP_CAPTURE, keep
from panther_core.capture.keys import embed_keys
from panther_core.capture.program import recorder

__all__ = ["KEEP_CAPTURE", "embed_keys", "keep", "recorder"]
