"""What a publisher and a subscriber do in each scenario, whatever library or program speaks MQTT for them."""

from __future__ import annotations

import abc
import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_protocol_mqtt.letters import END, Letter, Plan, plan_of, will_of
from panther_protocol_mqtt.malformed import PACKETS, is_refused
from panther_protocol_mqtt.recording import NAME, Recorder

READY = "subscribed and ready"
"""What a subscriber prints when others may begin."""
_GIVE_UP = 30.0
_LINGER = 0.3
_QUIET = 1.0
_OK, _FAILED = 0, 1


@attrs.frozen(kw_only=True)
class Identity:
    """As whom a client connects."""

    client_id: str
    host: str
    port: int
    version: str
    """``3.1.1`` or ``5``."""
    persistent: bool = False
    """Whether the broker shall keep the session when the client leaves."""
    keepalive: int = 60


@attrs.frozen(kw_only=True)
class Arrival:
    """A message as it arrived."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Listener(abc.ABC):
    """A connection with subscriptions that the broker has acknowledged."""

    @abc.abstractmethod
    def receive(self, timeout: float) -> Arrival | None:
        """Return the next message, or None if there is none in time."""

    @abc.abstractmethod
    def leave(self) -> None:
        """Disconnect in good order."""


class Driver(abc.ABC):
    """One implementation's way to do what scenarios are made of. Whatever goes wrong is raised."""

    @abc.abstractmethod
    def listen(self, who: Identity, filters: Sequence[str], qos: int) -> Listener:
        """Connect and subscribe; return when the broker has acknowledged both."""

    @abc.abstractmethod
    def publish(self, who: Identity, letters: Sequence[Letter], qos: int, pause: float = 0.0) -> None:
        """Connect, publish with pauses in between, and disconnect when everything has been acknowledged."""

    @abc.abstractmethod
    def leave_a_will(self, who: Identity, will: Letter, qos: int, *, cleanly: bool) -> None:
        """Connect with a last will, and disconnect in good order, or lose the connection."""


@attrs.define
class Play:
    """One role in one scenario."""

    driver: Driver
    recorder: Recorder
    options: argparse.Namespace
    parameters: dict[str, Any]
    plan: Plan

    @property
    def qos(self) -> int:
        """Quality of service that is asked for."""
        return int(self.parameters.get("qos", 1))

    def identity(self, suffix: str = "", **more: Any) -> Identity:
        """Return as whom the program connects, and record it."""
        told = self.options
        name = f"{told.name}-{suffix}" if suffix else told.name
        self.recorder.note("connects", client=name)
        return Identity(
            client_id=name, host=told.host, port=told.port, version=self.parameters.get("version", "3.1.1"), **more
        )

    @contextlib.contextmanager
    def listening(self, who: Identity, *filters: str) -> Iterator[Listener]:
        """Subscribe within the block."""
        listener = self.driver.listen(who, filters, self.qos)
        self.recorder.note("subscribed", client=who.client_id, filters=filters)
        yield listener
        listener.leave()

    def took(self, arrival: Arrival) -> None:
        """Record a message that has arrived."""
        self.recorder.message("received", arrival.topic, arrival.payload, qos=arrival.qos, retain=arrival.retain)

    def subscribe(self) -> None:
        """Play the subscriber."""
        late = {"retained": self._late, "session": self._resume}.get(self.options.scenario)
        if late is not None:
            late()
            return
        with self.listening(self.identity(), *self.plan.filters, END) as listener:
            _say_ready()
            self._until_end(listener, _QUIET if self.options.scenario == "will" else _LINGER)

    def _late(self) -> None:
        """Subscribe when everything has been published."""
        self._wait_for_end()
        with self.listening(self.identity("late"), *self.plan.filters) as listener:
            self._until_quiet(listener)

    def _resume(self) -> None:
        """Subscribe, leave, and come back when everything has been published."""
        with self.listening(self.identity("away", persistent=True), *self.plan.filters):
            pass
        self._wait_for_end()
        with self.listening(self.identity("away", persistent=True), *self.plan.filters) as listener:
            self._until_quiet(listener)

    def _wait_for_end(self) -> None:
        with self.listening(self.identity("waits"), END) as listener:
            _say_ready()
            while (arrival := listener.receive(_GIVE_UP)) is not None and arrival.topic != END:
                pass
            if arrival is None:
                raise TimeoutError(f"nothing came on {END}")

    def _until_end(self, listener: Listener, linger: float) -> None:
        patience = _GIVE_UP
        while (arrival := listener.receive(patience)) is not None:
            if arrival.topic == END:
                patience = linger
            else:
                self.took(arrival)
        if patience == _GIVE_UP:
            raise TimeoutError(f"nothing came on {END}")

    def _until_quiet(self, listener: Listener) -> None:
        while (arrival := listener.receive(_QUIET)) is not None:
            self.took(arrival)

    def publish(self) -> None:
        """Play the publisher."""
        before: dict[str, Callable[[], None]] = {"will": self._wills, "malformed": self._malformed}
        before.get(self.options.scenario, lambda: None)()
        if self.plan.published:
            silence = float(self.parameters.get("silence", 0.0))
            keepalive = int(self.parameters.get("keepalive", 60))
            self.driver.publish(self.identity(keepalive=keepalive), self.plan.published, self.qos, silence)
            for each in self.plan.published:
                self.recorder.message("sent", each.topic, each.payload, retain=each.retain)
        self.driver.publish(self.identity("ends"), [Letter(END, b"end")], max(1, self.qos))

    def _wills(self) -> None:
        for name, cleanly in (("leaves", True), ("dies", False)):
            will = will_of(self.options.seed, name)
            self.driver.leave_a_will(self.identity(name), will, self.qos, cleanly=cleanly)
            self.recorder.message("left a will", will.topic, will.payload, cleanly=cleanly)

    def _malformed(self) -> None:
        for name, packet in PACKETS.items():
            refused = is_refused((self.options.host, self.options.port), packet)
            self.recorder.note("malformed", packet=name, refused=refused)


def _say_ready() -> None:
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()


def main(make: Callable[[Recorder], Driver]) -> int:
    """Play what the command line says with a driver; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("publisher", "subscriber"))
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--parameters", type=json.loads, required=True)
    parser.add_argument("--seed", type=int, required=True)
    told = parser.parse_args()
    began = time.monotonic()
    with (told.dir / NAME).open("a", encoding="utf-8") as file:
        recorder = Recorder(file)
        plan = plan_of(told.scenario, told.parameters, told.seed)
        play = Play(make(recorder), recorder, told, told.parameters, plan)
        try:
            play.subscribe() if told.role == "subscriber" else play.publish()
        except (OSError, RuntimeError) as error:
            why = f"{type(error).__name__}: {error}"
            recorder.note("gave up", why=why)
            sys.stderr.write(f"{why}\n")
            return _FAILED
        recorder.note("done", seconds=time.monotonic() - began)
    return _OK
