"""Whether a service has a socket open on its port, read from the kernel's tables: it never gets a packet for that."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_LISTENING = "0A"
_LOCAL, _STATE, _INODE = 1, 3, 9


def address_text(address: str) -> str:
    """Return an address as the tables write it: words of 32 bits in the byte order of the machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def open_inodes(pid: int, transport: str, addresses: Iterable[str], port: int) -> set[str]:
    """Return the inodes of sockets that wait on ``port`` at one of ``addresses`` or at any address.

    A socket for both families has an IPv4 address in the form of IPv6, as those of Java have.
    """
    given = [*addresses, "0.0.0.0", "::"]  # noqa: S104 - a comparison
    mapped = [f"::ffff:{each}" for each in given if ":" not in each]
    wanted = {f"{address_text(each)}:{port:04X}" for each in (*given, *mapped)}
    return {
        row[_INODE]
        for table in (transport, f"{transport}6")
        for row in _rows(pid, table)
        if row[_LOCAL] in wanted and (transport == "udp" or row[_STATE] == _LISTENING)
    }


def _rows(pid: int, table: str) -> Iterator[list[str]]:
    """Yield the sockets of the network stack that ``pid`` lives in."""
    try:
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()
    except OSError:
        return
    yield from (line.split() for line in lines[1:])


def holds_any(pids: Iterable[int], inodes: set[str]) -> bool:
    """Return whether one of the processes has one of the sockets open."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return any(link in wanted for pid in pids for link in _open_files(pid))


def _open_files(pid: int) -> Iterator[str]:
    try:
        for each in Path(f"/proc/{pid}/fd").iterdir():
            yield os.readlink(each)  # noqa: PTH115 - a Path would change the text
    except OSError:
        return
