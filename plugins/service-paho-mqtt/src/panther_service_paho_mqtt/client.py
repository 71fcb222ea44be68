"""A publisher or subscriber that lets the library Paho speak MQTT."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from panther_protocol_mqtt.driving import Arrival, Driver, Identity, Listener, main
from panther_protocol_mqtt.letters import Letter
from panther_protocol_mqtt.recording import Recorder

_VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
_PATIENCE = 20.0
_AN_HOUR = 3600


def _client(who: Identity) -> Client:
    if who.version == "5":
        return Client(CallbackAPIVersion.VERSION2, who.client_id, protocol=MQTTProtocolVersion.MQTTv5)
    return Client(
        CallbackAPIVersion.VERSION2,
        who.client_id,
        clean_session=not who.persistent,
        protocol=_VERSIONS[who.version],
    )


def _connect(client: Client, who: Identity) -> None:
    """Connect and wait until the broker has accepted; the library's thread runs from then on."""
    accepted: queue.Queue[Any] = queue.Queue()
    client.on_connect = lambda _client, _data, _flags, reason, _properties: accepted.put(reason)
    if who.version == "5":
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _AN_HOUR if who.persistent else 0
        client.connect(who.host, who.port, who.keepalive, clean_start=not who.persistent, properties=properties)
    else:
        client.connect(who.host, who.port, who.keepalive)
    client.loop_start()
    reason = _taken(accepted, "CONNACK")
    if reason.is_failure:
        raise RuntimeError(f"the broker refused the connection: {reason}")


def _taken(answers: queue.Queue[Any], what: str) -> Any:
    try:
        return answers.get(timeout=_PATIENCE)
    except queue.Empty:
        raise TimeoutError(f"no {what} came") from None


def _disconnect(client: Client) -> None:
    gone = threading.Event()
    client.on_disconnect = lambda *_: gone.set()
    client.disconnect()
    gone.wait(_PATIENCE)
    client.loop_stop()


class Subscription(Listener):
    """A connection with subscriptions."""

    def __init__(self, who: Identity, filters: Sequence[str], qos: int) -> None:
        """Connect and subscribe."""
        self._messages: queue.Queue[MQTTMessage] = queue.Queue()
        self._client = _client(who)
        self._client.on_message = lambda _client, _data, message: self._messages.put(message)
        _connect(self._client, who)
        granted: queue.Queue[Any] = queue.Queue()
        self._client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: granted.put(reasons)
        self._client.subscribe([(each, qos) for each in filters])
        refused = [each for each in _taken(granted, "SUBACK") if each.is_failure]
        if refused:
            raise RuntimeError(f"the broker refused a subscription: {refused[0]}")

    def receive(self, timeout: float) -> Arrival | None:
        """Return the next message."""
        with contextlib.suppress(queue.Empty):
            message = self._messages.get(timeout=timeout)
            return Arrival(
                topic=message.topic, payload=bytes(message.payload), qos=message.qos, retain=bool(message.retain)
            )
        return None

    def leave(self) -> None:
        """Disconnect."""
        _disconnect(self._client)


class Paho(Driver):
    """Uses the library."""

    def listen(self, who: Identity, filters: Sequence[str], qos: int) -> Subscription:
        """Connect and subscribe."""
        return Subscription(who, filters, qos)

    def publish(self, who: Identity, letters: Sequence[Letter], qos: int, pause: float = 0.0) -> None:
        """Publish all letters on one connection."""
        with self._connected(who) as client:
            for number, each in enumerate(letters):
                if number and pause:
                    time.sleep(pause)
                sent = client.publish(each.topic, each.payload, qos, each.retain)
                if pause or each is letters[-1]:
                    sent.wait_for_publish(_PATIENCE)
                    if not sent.is_published():
                        raise TimeoutError(f"message {number + 1} was not acknowledged")

    def leave_a_will(self, who: Identity, will: Letter, qos: int, *, cleanly: bool) -> None:
        """Connect with a last will, and go."""
        client = _client(who)
        client.will_set(will.topic, will.payload, qos)
        _connect(client, who)
        if cleanly:
            _disconnect(client)
            return
        client.loop_stop()
        socket = client.socket()
        if socket is not None:
            socket.close()

    @contextlib.contextmanager
    def _connected(self, who: Identity) -> Iterator[Client]:
        client = _client(who)
        _connect(client, who)
        yield client
        _disconnect(client)


def _make(_recorder: Recorder) -> Driver:
    return Paho()


if __name__ == "__main__":
    sys.exit(main(_make))
