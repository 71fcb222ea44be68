"""Servers that are wrong on purpose: the reference server with one defect, named by ``--defect``."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from aioquic.quic import crypto
from panther_protocol_quic import certificates
from panther_service_aioquic import server


class WrongFile(server.FileServer):
    """Sends another file of the right length."""

    def content(self, path: str) -> bytes | None:
        """Return the wrong bytes."""
        right = super().content(path)
        return None if right is None else bytes(len(right))


class Truncated(server.FileServer):
    """Ends every file a little early."""

    def content(self, path: str) -> bytes | None:
        """Return most of the file."""
        right = super().content(path)
        return None if right is None else right[:-1]


class Unfinished(server.FileServer):
    """Stops in the middle of a file and closes."""

    def answer_hq(self, stream: int, line: str) -> None:
        """Send a part."""
        content = self.content(line.strip().partition(" ")[2]) or b""
        self._quic.send_stream_data(stream, content[: len(content) // 2])
        self.transmit()
        self._quic.close(error_code=0x2, reason_phrase="out of breath")


def ignore_key_updates() -> None:
    """Open packets of the next key phase, and go on sending in the first one."""

    def update(self: crypto.CryptoPair, trigger: str) -> None:
        crypto.apply_key_phase(self.recv, crypto.next_key_phase(self.recv), trigger=trigger)
        self._update_key_requested = False

    crypto.CryptoPair._update_key = update  # type: ignore[method-assign]


def never_answer(address: str, port: int) -> None:
    """Take the port and say nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind((address, port))
        while own.recvfrom(2048):
            pass


def main(defect: str, words: list[str]) -> None:
    """Serve with a defect."""
    args = server.parser().parse_args(words)
    if defect == "silent":
        never_answer(args.address, int(args.port))
    if defect == "stranger":
        chain = certificates.chain(4711, (args.address, "localhost"))
        Path(args.cert).write_bytes(chain.pem())
        Path(args.key).write_bytes(chain.private())
    if defect == "no-retry":
        args.retry = False
    if defect == "no-update":
        ignore_key_updates()
    kinds = {"wrong": WrongFile, "truncated": Truncated, "unfinished": Unfinished}
    asyncio.run(server.main(args, kinds.get(defect, server.FileServer)))


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3:])
