"""TCP connections on their way through a proxy: their bytes come late or slowly, and all of them come, in order.

The client is taken in at once, since nobody can hold back what its kernel does; what it sends counts as sent one round
trip later, when it would have been taken in behind such a link, and the service hears of it after one way. So whoever
measures from the call to the first answer measures what the link makes of it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections import deque
from collections.abc import Mapping
from typing import Any

from panther_link_relay.pipe import NEVER, Pipe

CHUNK = 1 << 16
MOST_WAITING = 8 << 20
"""Bytes under way in one direction of a connection; whoever sends more has to wait, as for a window."""
PIECE, HEADERS = 1448, 66
"""Bytes of a stream that one packet carries, and bytes around them, which count for rates."""
SLICE = 0.005
"""Seconds of a rate that are read at once, so that several connections share it."""
_RESET = struct.pack("ii", 1, 0)


class Way:
    """One direction of a connection."""

    def __init__(self, pipe: Pipe, source: socket.socket, sink: socket.socket, since: float) -> None:
        """Begin without anything under way; what is read counts as sent at ``since`` at the earliest."""
        self.pipe, self.source, self.sink, self.since = pipe, source, sink, since
        self.queue: deque[tuple[float, float, bytes]] = deque()
        self.waiting = 0
        self.stuck = self.read_all = self.ended = False

    def open_to_more(self, now: float) -> bool:
        """Return whether there is room for more."""
        return not self.read_all and self.waiting < MOST_WAITING and self.pipe.has_room(now)

    def read(self, now: float) -> None:
        """Take what the sender has brought; an empty piece stands for its end."""
        size = CHUNK if not self.pipe.rate else max(PIECE, min(CHUNK, int(self.pipe.rate * SLICE / 8)))
        try:
            data = self.source.recv(size)
        except (BlockingIOError, InterruptedError):
            return
        self.read_all = not data
        self.waiting += len(data)
        pieces = -(-len(data) // PIECE)
        sent = max(now, self.since)
        self.queue.append((self.pipe.carries(len(data) + pieces * HEADERS, sent), sent, data))

    def write(self, now: float) -> None:
        """Give the receiver what is due, as much as it takes."""
        self.stuck = False
        while self.queue and self.queue[0][0] <= now and not self.pipe.holds(now):
            due, since, data = self.queue.popleft()
            if not data:
                self.ended = True
                with contextlib.suppress(OSError):
                    self.sink.shutdown(socket.SHUT_WR)
                return
            try:
                taken = self.sink.send(data)
            except (BlockingIOError, InterruptedError):
                taken = 0
            self.waiting -= taken
            if taken < len(data):
                self.queue.appendleft((due, since, data[taken:]))
                self.stuck = True
                return
            self.pipe.note(now - since)

    def due(self, now: float) -> float:
        """Return when something has to be done here that no socket will tell of."""
        ready = self.queue[0][0] if self.queue and not self.stuck else NEVER
        until = self.pipe.holds(now)
        return max(ready, now + until) if until else min(ready, self.pipe.room_at(now))


class Connection:
    """A client, the service that it talks to, and both ways between them."""

    def __init__(self, door: StreamDoor, client: socket.socket, now: float) -> None:
        """Take the client in; the service is called when a packet would have reached it."""
        self.door, self.client = door, client
        self.call_at = door.there.carries(HEADERS, now)
        self.server: socket.socket | None = None
        self.ways: tuple[Way, ...] = ()
        self.began = now

    def call(self) -> None:
        """Begin to connect to the service; whether it listens is seen when something is read or written."""
        made = socket.socket(socket.AF_INET6 if ":" in self.door.to[0] else socket.AF_INET, socket.SOCK_STREAM)
        self.server = made
        for each in (made, self.client):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind((self.door.aliases[0], 0))
        made.connect_ex(self.door.to)
        there, back = self.door.there, self.door.back
        back_at = back.carries(HEADERS, self.call_at)
        self.ways = Way(there, self.client, made, back_at), Way(back, made, self.client, self.call_at)

    def masks(self, now: float) -> dict[socket.socket, int]:
        """Return what to wait for at each socket."""
        wanted = dict.fromkeys([self.client, *([self.server] if self.server else [])], 0)
        for way in self.ways:
            if way.open_to_more(now):
                wanted[way.source] |= select.EPOLLIN
            if way.stuck:
                wanted[way.sink] |= select.EPOLLOUT
        return wanted

    def close(self, *, hard: bool) -> None:
        """Close both ends; ``hard`` tells them that it was no good end."""
        for each in filter(None, (self.client, self.server)):
            if hard:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            each.close()


class StreamDoor:
    """An address that one service was told instead of another's, for TCP."""

    def __init__(self, told: Mapping[str, Any], pipes: Mapping[str, Pipe]) -> None:
        """Open it."""
        self.there, self.back = pipes[told["there"]], pipes[told["back"]]
        self.to, self.aliases = tuple(told["to"]), told["aliases"]
        at = tuple(told["at"])
        self.socket = socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(at)
        self.socket.listen(512)
        self.socket.setblocking(False)


class Streams:
    """All connections of a proxy."""

    def __init__(self, poll: select.epoll) -> None:
        """Wait for whatever ``poll`` tells."""
        self.poll = poll
        self.doors: dict[int, StreamDoor] = {}
        self.connections: dict[int, Connection] = {}
        """By the number of each socket."""
        self.known: dict[int, int] = {}

    def open(self, door: StreamDoor) -> None:
        """Let clients in."""
        self.doors[door.socket.fileno()] = door
        self.poll.register(door.socket, select.EPOLLIN)

    def happened(self, number: int, event: int, now: float) -> bool:
        """Do what a socket asks for; return whether it is one of ours."""
        if number in self.doors:
            with contextlib.suppress(BlockingIOError):
                client, _ = self.doors[number].socket.accept()
                self.connections[client.fileno()] = Connection(self.doors[number], client, now)
            return True
        connection = self.connections.get(number)
        if connection is None:
            return False
        try:
            for way in connection.ways:
                gone = event & (select.EPOLLERR | select.EPOLLHUP)
                if way.source.fileno() == number and (event & select.EPOLLIN or gone) and way.open_to_more(now):
                    way.read(now)
                if way.sink.fileno() == number and event & (select.EPOLLOUT | select.EPOLLERR):
                    way.write(now)
        except OSError:
            self.end(connection, hard=True)
        return True

    def deliver(self, now: float) -> float | None:
        """Send everything that is due; return when something will be."""
        following = NEVER
        for connection in {id(each): each for each in self.connections.values()}.values():
            following = min(following, self._advance(connection, now))
        return None if following == NEVER else following

    def _advance(self, connection: Connection, now: float) -> float:
        """Do what is due on one connection; return when something will be."""
        try:
            if not connection.ways:
                held = connection.door.there.holds(now)
                if held or connection.call_at > now:
                    return max(connection.call_at, now + held)
                connection.call()
                assert connection.server is not None  # it was just called
                self.connections[connection.server.fileno()] = connection
            for way in connection.ways:
                if not way.stuck:
                    way.write(now)
        except OSError:
            self.end(connection, hard=True)
            return NEVER
        if all(way.ended for way in connection.ways):
            self.end(connection, hard=False)
            return NEVER
        self._wait(connection, now)
        return min(way.due(now) for way in connection.ways)

    def _wait(self, connection: Connection, now: float) -> None:
        """Tell the kernel what to wait for, where that has changed."""
        for each, mask in connection.masks(now).items():
            number = each.fileno()
            if self.known.get(number) == mask:
                continue
            if mask and number in self.known:
                self.poll.modify(number, mask)
            elif mask:
                self.poll.register(number, mask)
            elif number in self.known:  # an end that hangs up is told even if nothing is waited for
                self.poll.unregister(number)
            if mask:
                self.known[number] = mask
            else:
                self.known.pop(number, None)

    def end(self, connection: Connection, *, hard: bool) -> None:
        """Forget a connection."""
        for each in filter(None, (connection.client, connection.server)):
            number = each.fileno()
            self.connections.pop(number, None)
            if self.known.pop(number, None) is not None:
                self.poll.unregister(number)
        connection.close(hard=hard)
