"""The client of MiniP: it plays one scenario."""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections import deque
from collections.abc import Callable

from panther_service_ping_pong.ping_pong_py.port import Address, Port, Transcript, say
from panther_service_ping_pong.ping_pong_py.variants import misbehaves
from panther_service_ping_pong.ping_pong_py.wire import CHUNK, Message, short_hash, stream

UNKNOWN_VERSION = "99"
WINDOW = 32
TRIES = 12
MOST_UNREACHABLE = 3
DONE, REFUSED, SILENT, WRONG = 0, 4, 5, 6


class Outcome(Exception):  # noqa: N818 - not an error
    """The client cannot go on."""

    def __init__(self, code: int, word: str, why: str) -> None:
        """Keep the exit code and the word that the transcript ends with."""
        super().__init__(why)
        self.code, self.word = code, word


def patience(tries: int) -> float:
    """Return how long to wait for the answer to the n-th sending of a message."""
    return min(0.2 * 1.5 ** (tries - 1), 1.0)


class Client:
    """Plays one scenario and says by its exit code how the server did."""

    def __init__(self, port: Port, options: argparse.Namespace, transcript: Transcript) -> None:
        """Get ready to talk to the server that ``port`` is connected to."""
        self._port, self._options, self._transcript = port, options, transcript
        self._peer: Address = (options.connect, options.port)
        self._session = short_hash("client", options.seed, options.name)
        self._pretends = misbehaves(options, self._session)
        self._version: str = options.version
        self._welcome = False
        self._wrong = False

    def play(self) -> tuple[int, str]:
        """Play the scenario; return the exit code and the word for it."""
        steps: dict[str, Callable[[], None]] = {
            "ping": self._pings,
            "transfer": self._transfer,
            "idle": self._idle,
            "probe": self._probe,
            "greet": lambda: None,
        }
        if self._options.scenario == "refuse":
            self._expect_refusal()
        else:
            self._greet()
            steps[self._options.scenario]()
            self._ask("BYE", {}, "BYE", pretended={})
        return (WRONG, "wrong") if self._wrong else (DONE, "done")

    def _judge(self, what: str, right: bool) -> None:
        say(f"{what}: {'right' if right else 'WRONG'}")
        self._wrong |= not right

    def _send(self, kind: str, fields: dict[str, str], tries: int, body: bytes = b"") -> None:
        if self._welcome and self._port.unreachable >= MOST_UNREACHABLE:
            raise Outcome(SILENT, "silent", "the server's port is closed")
        self._port.send(Message(self._version, kind, {"id": self._session, **fields}, body), tries=tries)

    def _ask(
        self, kind: str, fields: dict[str, str], wanted: str, *, pretended: dict[str, str], body: bytes = b""
    ) -> Message:
        """Send until the answer comes. A pretending client writes down the answer it would like to have had."""
        if self._pretends:
            for event, name, each in (("sent", kind, fields), ("received", wanted, pretended)):
                self._transcript.message(event, Message(self._version, name, {"id": self._session, **each}), self._peer)
            return Message(self._version, wanted, pretended)
        for tries in range(1, TRIES + 1):
            self._send(kind, fields, tries, body)
            until = time.monotonic() + patience(tries)
            while received := self._port.receive(until):
                if answer := self._fitting(received[0], fields, (wanted, "WELCOME" if kind == "HELLO" else wanted)):
                    return answer
        raise Outcome(SILENT, "silent", f"no answer to {kind} after {TRIES} tries")

    def _fitting(self, answer: Message, fields: dict[str, str], wanted: tuple[str, ...]) -> Message | None:
        if answer.fields.get("id") != self._session:
            return None
        if answer.kind in wanted and answer.fields.get("seq") == fields.get("seq"):
            return answer
        if answer.kind == "REFUSE":
            raise Outcome(REFUSED, "refused", f"the server refused: {answer.fields.get('reason', 'no reason given')}")
        return None

    def _greet(self) -> None:
        nonce = short_hash("pretended", self._session)
        pretended = {"server": nonce, "digest": short_hash(self._session, nonce)}
        answer = self._ask("HELLO", {}, "WELCOME", pretended=pretended)
        self._welcome = True
        nonce = answer.fields.get("server", "")
        self._judge(f"welcomed by {nonce}", answer.fields.get("digest") == short_hash(self._session, nonce))

    def _expect_refusal(self) -> None:
        self._version = UNKNOWN_VERSION
        answer = self._ask("HELLO", {}, "REFUSE", pretended={"reason": "version", "supported": "1"})
        reason = answer.fields.get("reason") if answer.kind == "REFUSE" else answer.kind
        self._judge(f"answer to version {UNKNOWN_VERSION}: {reason}", reason == "version")

    def _ping(self, number: int, size: int) -> None:
        nonce = short_hash("ping", self._options.seed, self._options.name, str(number))
        body, seq = stream(nonce, size), str(number)
        clock = {"time": str(time.monotonic_ns() // 1000)} if self._version == "2" else {}
        right = {"seq": seq, "nonce": nonce, "digest": short_hash(self._session, seq, nonce, body=body), **clock}
        answer = self._ask("PING", {"seq": seq, "nonce": nonce, **clock}, "PONG", pretended=right, body=body)
        self._judge(f"ping {seq}", right.items() <= answer.fields.items())

    def _pings(self) -> None:
        for number in range(1, self._options.count + 1):
            if number > 1:
                self._port.pause(time.monotonic() + self._options.interval)
            self._ping(number, self._options.size)

    def _idle(self) -> None:
        say(f"silent for {self._options.duration} seconds")
        self._port.pause(time.monotonic() + self._options.duration)
        self._ping(1, 0)

    def _probe(self) -> None:
        self._send("PING", {"seq": "0", "nonce": "A" * self._options.length}, 1)
        say(f"sent a nonce of {self._options.length} characters")
        self._ping(1, 0)

    def _transfer(self) -> None:
        content = stream(f"file {self._options.seed}", self._options.size)
        with open(os.path.join(self._options.dir, "sent.bin"), "wb") as file:
            file.write(content)
        if not self._pretends:
            self._send_chunks([content[at : at + CHUNK] for at in range(0, len(content), CHUNK)])
        right = {"size": str(len(content)), "sha256": hashlib.sha256(content).hexdigest()}
        answer = self._ask("DONE", {"size": right["size"]}, "STORED", pretended=right)
        self._judge(f"transfer of {len(content)} bytes", right.items() <= answer.fields.items())

    def _send_chunks(self, chunks: list[bytes]) -> None:
        """Keep a window of chunks on the way; send each again until it is acknowledged."""
        todo = deque(range(len(chunks)))
        waiting: dict[int, tuple[float, int]] = {}
        while todo or waiting:
            while todo and len(waiting) < WINDOW:
                waiting[todo.popleft()] = (0.0, 0)
            for number, (due, tries) in waiting.items():
                if due <= time.monotonic():
                    if tries == TRIES:
                        raise Outcome(SILENT, "silent", f"chunk {number} was never acknowledged")
                    self._send("DATA", {"seq": str(number)}, tries + 1, chunks[number])
                    waiting[number] = (time.monotonic() + patience(tries + 1), tries + 1)
            received = self._port.receive(min(due for due, _ in waiting.values()))
            if received and (answer := self._fitting(received[0], received[0].fields, ("ACK",))):
                seq = answer.fields.get("seq", "")
                waiting.pop(int(seq) if seq.isdigit() else -1, None)
