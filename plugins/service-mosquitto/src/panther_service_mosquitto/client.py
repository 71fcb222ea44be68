"""A publisher or subscriber that lets ``mosquitto_pub`` and ``mosquitto_sub`` speak MQTT."""

from __future__ import annotations

import contextlib
import itertools
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

from panther_protocol_mqtt.driving import Arrival, Driver, Identity, Listener, main
from panther_protocol_mqtt.letters import Letter
from panther_protocol_mqtt.recording import Recorder

_VERSIONS = {"3.1.1": "mqttv311", "5": "mqttv5"}
_MARK = "message"
_FORMAT = f"{_MARK} %q %r %x %t"
_PATIENCE = 20.0
_ONE_LINE = 1 << 13
"""Longer payloads are given as a whole instead of as a line."""


def _argv(program: str, who: Identity, qos: int) -> list[str]:
    words = {"-h": who.host, "-p": who.port, "-i": who.client_id, "-q": qos, "-V": _VERSIONS[who.version]}
    words["-k"] = who.keepalive
    return [
        "stdbuf",
        "-oL",
        program,
        *(str(each) for pair in words.items() for each in pair),
        *(["-c"] if who.persistent else []),
    ]


class Subscription(Listener):
    """A running ``mosquitto_sub``."""

    def __init__(self, argv: Sequence[str]) -> None:
        """Start it and wait for the acknowledgement."""
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, errors="replace")
        self._lines: queue.Queue[str] = queue.Queue()
        self._early: deque[Arrival] = deque()
        threading.Thread(target=self._read, daemon=True).start()
        self._wait_for("Subscribed ")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")

    def _wait_for(self, beginning: str) -> None:
        """Wait for a line; messages may come before the acknowledgement, if they have waited for the client."""
        until = time.monotonic() + _PATIENCE
        while line := self._line(until):
            if line.startswith(beginning):
                return
            if (arrival := _arrival(line)) is not None:
                self._early.append(arrival)
        self.die()
        raise RuntimeError(f"mosquitto_sub did not get as far as {beginning.strip()!r}")

    def _line(self, until: float) -> str | None:
        """Return the next line: an empty one at the end, None if there is none in time."""
        with contextlib.suppress(queue.Empty):
            return self._lines.get(timeout=max(0.0, until - time.monotonic()))
        return None

    def receive(self, timeout: float) -> Arrival | None:
        """Return the next message."""
        if self._early:
            return self._early.popleft()
        until = time.monotonic() + timeout
        while line := self._line(until):
            if (arrival := _arrival(line)) is not None:
                return arrival
        if line == "":
            raise RuntimeError(f"mosquitto_sub ended by itself, with exit code {self._process.wait(_PATIENCE)}")
        return None

    def leave(self) -> None:
        """Disconnect."""
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def die(self) -> None:
        """Lose the connection without a word."""
        self._process.kill()
        self._process.wait(_PATIENCE)


def _arrival(line: str) -> Arrival | None:
    word, _, rest = line.partition(" ")
    if word != _MARK:
        return None
    qos, retain, payload, topic = rest.split(" ", 3)
    return Arrival(topic=topic, payload=bytes.fromhex(payload), qos=int(qos), retain=retain == "1")


class MosquittoClients(Driver):
    """Starts the two programs."""

    def listen(self, who: Identity, filters: Sequence[str], qos: int) -> Subscription:
        """Connect and subscribe."""
        topics = [word for each in filters for word in ("-t", each)]
        return Subscription([*_argv("mosquitto_sub", who, qos), "-d", "-F", _FORMAT, *topics])

    def publish(self, who: Identity, letters: Sequence[Letter], qos: int, pause: float = 0.0) -> None:
        """Publish all letters, those of one topic on one connection."""
        for (topic, retain), group in itertools.groupby(letters, lambda each: (each.topic, each.retain)):
            argv = [*_argv("mosquitto_pub", who, qos), "-t", topic, *(["-r"] if retain else [])]
            payloads = [each.payload for each in group]
            if len(payloads) > 1 and all(0 < len(each) < _ONE_LINE for each in payloads):
                _feed([*argv, "-l"], [each + b"\n" for each in payloads], pause)
            else:
                for each in payloads:
                    _feed([*argv, "-s" if each else "-n"], [each], 0.0)

    def leave_a_will(self, who: Identity, will: Letter, qos: int, *, cleanly: bool) -> None:
        """Connect with a last will, and go."""
        wanted = ("--will-topic", will.topic, "--will-payload", will.payload.decode(), "--will-qos", str(qos))
        argv = [*_argv("mosquitto_sub", who, qos), "-d", "-t", f"{will.topic}/none", *wanted]
        if cleanly:  # not by a signal: with that, version 5 asks the broker to publish the will
            _feed([*argv, "-E"], [], 0.0)
        else:
            Subscription(argv).die()


def _feed(argv: Sequence[str], chunks: Sequence[bytes], pause: float) -> None:
    """Run a program that reads ``chunks``, with pauses in between."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # it is a pipe
        for number, chunk in enumerate(chunks):
            if number and pause:
                time.sleep(pause)
            process.stdin.write(chunk)
            process.stdin.flush()
        process.stdin.close()
        if process.wait(_PATIENCE):
            raise RuntimeError(f"{argv[2]} ended with exit code {process.returncode}")


def _make(_recorder: Recorder) -> Driver:
    return MosquittoClients()


if __name__ == "__main__":
    sys.exit(main(_make))
