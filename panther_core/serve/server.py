"""The server: reads and never writes, on this machine alone unless it is told otherwise."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, BinaryIO

from panther_core.serve.files import Answer
from panther_core.serve.markup import el, page
from panther_core.serve.site import Site

_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LONGEST = 4096
_CHUNK = 1 << 16


class Server(ThreadingHTTPServer):
    """Bound when it is made; port 0 takes a free one. Does not wait for its readers when it ends."""

    daemon_threads = True

    def __init__(self, site: Site, address: str, port: int) -> None:
        """Answer from ``site``."""
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.site = site
        self.names = (*_LOCAL_NAMES, address) if ipaddress.ip_address(address).is_loopback else ()
        """The names by which it may be asked; empty if any will do."""
        super().__init__((address, port), _Request)

    def answer(self, path: str, host: str) -> Answer:
        """Return what stands there; refuse what a page of somebody else made a browser ask for by another name."""
        name = host.rpartition(":")[0] if host.rpartition("]")[2].count(":") else host
        if len(path) > _LONGEST or (self.names and name.lower() not in self.names):
            said = page("Refused", el("p", None, "Ask by the address that panther serve has printed."))
            return Answer(status=HTTPStatus.FORBIDDEN, body=said)
        return self.site.answer(path)


class _Request(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version, protocol_version = "panther", "", "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *_args: Any) -> None:
        """Say nothing: who reads is the one who started it."""

    def _answer(self, *, body: bool) -> None:
        answer = self.server.answer(self.path, self.headers.get("Host", ""))
        try:
            with _opened(answer) as (file, length):
                self._head(answer, length)
                if body and file:
                    _copy(file, length, self.wfile)
                elif body:
                    self.wfile.write(answer.body)
        except ConnectionError:
            self.close_connection = True  # the reader has gone away

    def _head(self, answer: Answer, length: int) -> None:
        self.send_response(answer.status)
        own = {"Content-Type": answer.kind, "Content-Length": str(length), "Content-Security-Policy": answer.policy}
        for name, value in {**own, **_SAFE, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def _opened(answer: Answer) -> Iterator[tuple[BinaryIO | None, int]]:
    """Give the file of an answer, if it is one, and how long the answer is."""
    if answer.path is None:
        yield None, len(answer.body)
        return
    with answer.path.open("rb") as file:
        yield file, answer.path.stat().st_size


def _copy(file: BinaryIO, length: int, target: BufferedIOBase) -> None:
    """Copy as much as was announced: a file of a run that goes on may have grown since."""
    while length > 0 and (chunk := file.read(min(_CHUNK, length))):
        target.write(chunk)
        length -= len(chunk)
