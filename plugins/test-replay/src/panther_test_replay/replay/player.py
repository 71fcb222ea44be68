"""Plays: the client's messages at their times, or the server's when the client says what was recorded before them."""

from __future__ import annotations

import argparse
import base64
import json
import time
from pathlib import Path
from typing import Any

from panther_test_replay.replay.wires import Wire

Recorded = tuple[float, str, bytes]


class Player:
    """One conversation in progress."""

    def __init__(self, wire: Wire, messages: list[Recorded], options: argparse.Namespace, dialect: Any) -> None:
        """Be ready to play the messages of one side."""
        self._wire, self._messages, self._options, self._dialect = wire, messages, options, dialect
        self.said: list[Recorded] = []
        """What was really sent and received: time since the epoch, side, data."""
        self._zero = time.time() - time.monotonic()
        self._other = "server" if options.side == "client" else "client"
        self._rest = b""

    def play(self) -> None:
        """Play the side that was asked for."""
        (self._play_client if self._options.side == "client" else self._play_server)()

    def write(self, path: Path) -> None:
        """Write what was really said."""
        with path.open("w", encoding="utf-8") as file:
            for moment, side, data in self.said:
                told = {"t": round(moment, 6), "from": side, "data": base64.b64encode(data).decode()}
                file.write(json.dumps(told) + "\n")

    def _note(self, side: str, data: bytes) -> None:
        self.said.append((self._zero + time.monotonic(), side, data))

    def _send(self, data: bytes) -> None:
        self._wire.send(data)
        self._note(self._options.side, data)

    def _take(self, until: float | None) -> list[bytes]:
        """Return the messages that come until a moment; at once when there is one."""
        data = self._wire.receive(until)
        if data is None:
            return []
        messages = [data]
        if self._wire.stream:
            messages, self._rest = self._dialect.split(self._rest + data)
        for each in messages:
            self._note(self._other, each)
        return messages

    def _play_client(self) -> None:
        """Send every message at its recorded time, or as soon as what came before it has come again."""
        began, expected = time.monotonic(), 0
        for moment, side, data in self._messages:
            if side == "server":
                expected += len(self._dialect.split(data)[0]) if self._wire.stream else 1
                continue
            if self._options.timing == "original":
                due = began + moment / self._options.speed
                while time.monotonic() < due and not self._wire.closed:
                    self._take(due)
            else:
                self._wait_for(expected)
            self._send(data)
        self._wait_for(expected)

    def _wait_for(self, count: int) -> None:
        """Wait until so many answers have come, as long as they keep coming."""
        while sum(side == "server" for _, side, _ in self.said) < count:
            if not self._take(time.monotonic() + self._options.patience):
                return

    def _play_server(self) -> None:
        """Answer what the client says with what was answered to it in the recording."""
        turns = self._turns()
        while not self._wire.closed:
            for message in self._take(None):
                said = self._dialect.readable(message)
                turn = next((each for each in turns if self._dialect.readable(each[0]) == said), None)
                if turn is None:
                    continue
                if self._wire.stream:
                    turns.remove(turn)
                self._answer(turn, message)

    def _turns(self) -> list[tuple[bytes, list[tuple[float, bytes]]]]:
        """Return each message of the client with the answers that followed it, and after how long."""
        turns: list[tuple[bytes, list[tuple[float, bytes]]]] = []
        since = 0.0
        for moment, side, data in self._messages:
            parts = self._dialect.split(data)[0] if self._wire.stream else [data]
            if side == "client":
                turns += [(each, []) for each in parts]
                since = moment
            elif turns:
                turns[-1][1].extend((moment - since, each) for each in parts)
        return turns

    def _answer(self, turn: tuple[bytes, list[tuple[float, bytes]]], message: bytes) -> None:
        recorded, answers = turn
        began = time.monotonic()
        for pause, answer in answers:
            if self._options.timing == "original":
                time.sleep(max(0.0, began + pause / self._options.speed - time.monotonic()))
            self._send(self._dialect.adapted(answer, recorded, message) if self._options.adapt else answer)
