"""Names that one case holds for this machine against all others."""

from __future__ import annotations

import socket


def claim(name: str) -> socket.socket | None:
    """Return a socket that holds ``name`` for this machine until it is closed; None if another case has it.

    The kernel gives the name back even if PANTHER is killed.
    """
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0panther-docker-{name}")
    except OSError:
        holder.close()
        return None
    return holder
