"""The container engine of this machine, asked over its socket; calls have time limits, failures say what to do.

The socket answers within a millisecond or two, where the command ``docker`` takes thirty to start: what is asked while
a case runs goes this way.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import attrs

from panther_hookspecs import DockerComposeException
from panther_lib_containers.failures import explained
from panther_lib_containers.where import connected, engine_host, socket_of

_SMALL = 20.0
"""Seconds for a call that only asks or signals."""
_REFUSED = 400
_GONE, _ALREADY, _CONFLICT = 404, 304, 409
_HEAD_END = b"\r\n\r\n"
_HEAD_LIMIT = 1 << 14


@attrs.frozen
class Engine:
    """One container engine: Docker, or whatever answers like it."""

    host: str = attrs.field(factory=engine_host)
    limit: float = 60.0
    """Seconds that one call may take."""

    def ask(
        self,
        method: str,
        path: str,
        *,
        fine: Collection[int] = (),
        body: Mapping[str, Any] | None = None,
        limit: float = 0.0,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Return what the engine answers; a refusal that is ``fine`` gives None."""
        from panther_lib_containers.wire import exchange  # noqa: PLC0415 - what it needs is heavy

        whole = f"{path}?{urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body)
        try:
            status, text = exchange(socket_of(self.host), limit or min(self.limit, _SMALL), method, whole, content)
        except OSError as error:
            raise self._lost(f"{method} {path}", error) from None
        if status in fine:
            return None
        if status >= _REFUSED:
            raise explained(f"{method} {path}", status, _message(text))
        return json.loads(text) if text.strip() else None

    def _lost(self, doing: str, error: Exception) -> DockerComposeException:
        """Return the error for an engine that gave no answer at all."""
        if isinstance(error, TimeoutError):
            return explained(doing, -9, "")
        if isinstance(error, PermissionError):
            return explained(doing, None, f"permission denied while trying to connect to {self.host}")
        if isinstance(error, ConnectionRefusedError | FileNotFoundError):
            return explained(doing, None, f"Cannot connect to the Docker daemon at {self.host}")
        return explained(doing, None, f"unexpected EOF: {error}")

    def command(self, *words: str) -> tuple[str, ...]:
        """Return the words of a call of the command ``docker`` to this engine."""
        return ("docker", "--host", self.host, *words)

    def run(self, *words: str) -> str:
        """Return what ``docker`` with these words prints."""
        doing = f"docker {' '.join(words[:2])}"
        try:
            done = subprocess.run(
                self.command(*words),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=self.limit,
                check=False,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise DockerComposeException("docker is not installed\n  try: the package docker.io") from None
        except subprocess.TimeoutExpired:
            raise explained(doing, -9, "") from None
        if done.returncode:
            raise explained(doing, done.returncode, done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def version(self) -> str:
        """Return which engine this is."""
        return str(self.ask("GET", "/version").get("Version", ""))

    def networks(self, label: str = "") -> Any:
        """Return all networks, or those with a label."""
        return self.ask("GET", "/networks", query=_labelled(label))

    def subnets(self) -> Iterator[str]:
        """Yield the addresses that networks have already taken."""
        for network in self.networks():
            for each in (network.get("IPAM") or {}).get("Config") or ():
                if each.get("Subnet"):
                    yield str(each["Subnet"])

    def containers(self, label: str) -> Any:
        """Return all containers with a label, running or not."""
        return self.ask("GET", "/containers/json", query={"all": "1", **_labelled(label)})

    def images(self, label: str) -> Any:
        """Return all images with a label."""
        return self.ask("GET", "/images/json", query=_labelled(label))

    def image(self, name: str) -> Any:
        """Return what is known of an image; None if there is none of that name."""
        return self.ask("GET", f"/images/{quote(name)}/json", fine=[_GONE])

    def inspect(self, container: str) -> Any:
        """Return all that is known of a container."""
        return self.ask("GET", f"/containers/{container}/json")

    def create(self, name: str, request: Mapping[str, Any]) -> None:
        """Create a container, as the engine's API describes it."""
        self.ask("POST", "/containers/create", body=request, query={"name": name}, limit=self.limit)

    def start(self, container: str) -> None:
        """Start a container that was created."""
        self.ask("POST", f"/containers/{container}/start", fine=[_ALREADY], limit=self.limit)

    def kill(self, container: str, signal: int) -> None:
        """Send a signal to the first process of a container; one that has ended meanwhile needs none."""
        self.ask("POST", f"/containers/{container}/kill", fine=[_GONE, _CONFLICT], query={"signal": str(int(signal))})

    def wait(self, container: str) -> None:
        """Wait until a container has ended altogether."""
        self.ask("POST", f"/containers/{container}/wait")

    def remove_container(self, container: str) -> None:
        """Remove a container with its volumes, in whatever state; it need not be there."""
        fine = [_GONE, _CONFLICT]  # somebody else is removing it
        query = {"force": "1", "v": "1"}
        self.ask("DELETE", f"/containers/{container}", fine=fine, limit=self.limit, query=query)

    def remove_network(self, network: str) -> None:
        """Remove a network that nobody uses any more; it need not be there."""
        self.ask("DELETE", f"/networks/{network}", fine=[_GONE])

    def remove_image(self, image: str) -> None:
        """Remove an image."""
        self.ask("DELETE", f"/images/{quote(image)}", fine=[_GONE])

    def stream(self, path: str, body: Mapping[str, Any] | None = None) -> socket.socket:
        """Return the connection on which the engine sends the output of a program from now on."""
        text = b"" if body is None else json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        try:
            made = connected(socket_of(self.host), min(self.limit, _SMALL))
        except OSError as error:
            raise self._lost(f"POST {path}", error) from None
        try:
            made.sendall(head.encode() + text)
            answer = _head_of(made)
        except OSError as error:
            made.close()
            raise self._lost(f"POST {path}", error) from None
        status = int((answer.split(maxsplit=2) or [b"", b"0"])[1] or 0)
        if status not in (101, 200):
            said = made.recv(_HEAD_LIMIT)
            made.close()
            raise explained(f"POST {path}", status, _message(said))
        made.settimeout(None)
        return made


def _head_of(source: socket.socket) -> bytes:
    """Return the head of an answer, and not one byte of what follows it."""
    head = b""
    while not head.endswith(_HEAD_END) and len(head) < _HEAD_LIMIT:
        byte = source.recv(1)
        if not byte:
            raise ConnectionResetError("the engine has closed the connection")
        head += byte
    return head


def _labelled(label: str) -> dict[str, str]:
    return {"filters": json.dumps({"label": [label]})} if label else {}


def _message(text: bytes) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace")
    return str(found.get("message", found)) if isinstance(found, dict) else str(found)


def names_of(containers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the ids of containers, networks or images."""
    return [str(each["Id"]) for each in containers]
