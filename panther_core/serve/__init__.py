"""Many runs as pages for a browser on this machine: nothing is written, nothing is asked of the network."""

from __future__ import annotations

from panther_core.serve.server import Server
from panther_core.serve.site import Site

__all__ = ["Server", "Site"]
