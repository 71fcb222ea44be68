"""The server of MiniP."""

from __future__ import annotations

import argparse
import hashlib
import os

from panther_service_ping_pong.ping_pong_py.port import Port, readable, say
from panther_service_ping_pong.ping_pong_py.variants import misbehaves
from panther_service_ping_pong.ping_pong_py.wire import CHUNK, MOST_CHUNKS, Message, short_hash

MOST_SESSIONS = 256


class Server:
    """Answers everything that MiniP knows, for many sessions at once."""

    def __init__(self, port: Port, options: argparse.Namespace) -> None:
        """Serve at ``port`` the versions that the options name."""
        self._port, self._options = port, options
        self._versions = options.versions.split(",")
        self._wrong: dict[str, bool] = {}
        self._stored: dict[str, tuple[int, str]] = {}

    def serve(self) -> None:
        """Answer until a signal comes."""
        say(f"listening on {readable(self._port.address)}, versions {','.join(self._versions)}")
        while (received := self._port.receive()) is not None:
            message, peer = received
            session = message.fields.get("id", "")
            if session.isalnum() and (answer := self._answer(message, session)):
                kind, fields = answer
                self._port.send(Message(message.version, kind, {"id": session, **fields}), peer)

    def _answer(self, message: Message, session: str) -> tuple[str, dict[str, str]] | None:
        if message.kind == "HELLO":
            return self._greet(message, session)
        if message.kind == "BYE":
            say(f"{session} says goodbye")
            return "BYE", {}
        if message.kind not in ("PING", "DATA", "DONE"):
            return None
        if session not in self._wrong:
            return "REFUSE", {"reason": "session"}
        try:
            return self._serve(message, session)
        except (KeyError, ValueError):
            return "REFUSE", {"reason": "malformed"}

    def _serve(self, message: Message, session: str) -> tuple[str, dict[str, str]]:
        if message.kind == "PING":
            return self._pong(message, session)
        return self._keep(message, session) if message.kind == "DATA" else self._store(session)

    def _greet(self, message: Message, session: str) -> tuple[str, dict[str, str]]:
        wrong = misbehaves(self._options, session)
        if message.version not in self._versions and not wrong:
            say(f"refused {session}: version {message.version}")
            return "REFUSE", {"reason": "version", "supported": ",".join(self._versions)}
        if session not in self._wrong and len(self._wrong) >= MOST_SESSIONS:
            oldest = next(iter(self._wrong))
            self._wrong.pop(oldest)
            self._stored.pop(oldest, None)
        self._wrong[session] = wrong
        nonce = short_hash("server", self._options.seed, self._options.name, session)
        say(f"welcomed {session} with version {message.version}")
        return "WELCOME", {"server": nonce, "digest": self._proof(session, short_hash(session, nonce))}

    def _proof(self, session: str, right: str) -> str:
        return right[::-1] if self._wrong[session] else right

    def _pong(self, message: Message, session: str) -> tuple[str, dict[str, str]]:
        seq, nonce = message.fields["seq"], message.fields["nonce"]
        digest = short_hash(session, seq, nonce, body=message.body)
        echo = {"time": message.fields["time"]} if message.version == "2" else {}
        say(f"answered ping {seq} of {session}")
        return "PONG", {"seq": seq, "nonce": nonce, "digest": self._proof(session, digest), **echo}

    def _path(self, session: str) -> str:
        return os.path.join(self._options.dir, f"received-{session}.bin")

    def _keep(self, message: Message, session: str) -> tuple[str, dict[str, str]]:
        number, path = int(message.fields["seq"]), self._path(session)
        if not 0 <= number < MOST_CHUNKS or len(message.body) > CHUNK:
            raise ValueError(number)
        if session not in self._stored:
            with open(path, "r+b" if os.path.exists(path) else "wb") as file:
                file.seek(number * CHUNK)
                file.write(message.body)
        return "ACK", {"seq": str(number)}

    def _kept(self, session: str) -> bytes:
        try:
            with open(self._path(session), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def _store(self, session: str) -> tuple[str, dict[str, str]]:
        if session not in self._stored:
            content = self._kept(session)
            self._stored[session] = (len(content), hashlib.sha256(content).hexdigest())
            say(f"stored {len(content)} bytes of {session}: {self._stored[session][1]}")
        size, right = self._stored[session]
        return "STORED", {"size": str(size), "sha256": self._proof(session, right)}
