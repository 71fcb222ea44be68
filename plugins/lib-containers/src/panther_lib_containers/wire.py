"""HTTP over a socket of this machine; a module of its own because its imports are heavy."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from panther_lib_containers.where import connected


class _Connection(HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: str, limit: float) -> None:
        super().__init__("localhost", timeout=limit)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = connected(self.path, self.timeout)


def exchange(path: str, limit: float, method: str, target: str, content: str | None) -> tuple[int, bytes]:
    """Send one request and return the status and the content of the answer; raise OSError if there is none."""
    connection = _Connection(path, limit)
    try:
        connection.request(method, target, content, {"Content-Type": "application/json"} if content else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except HTTPException as error:
        raise ConnectionResetError(f"no whole answer: {error!r}") from error
    finally:
        connection.close()
