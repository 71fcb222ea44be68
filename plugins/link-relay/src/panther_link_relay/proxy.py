"""Stands between sockets and does to what they say what a link is asked to do; needs no privilege and no interface.

It reads what to do from a JSON file::

    {"seed": 7, "report": "FILE", "control": "SOCKET",
     "doors": [{"there": "client->server", "back": "server->client", "transport": "udp",
                "at": ["127.1.0.254", 4433], "to": ["127.1.0.1", 4433], "aliases": ["127.1.0.200", ...]}],
     "pipes": [{"name": "client->server", "link": "client-server", "delay": 0.02, ...}, ...]}

What comes in at a door goes on to the service behind it, from a socket of its own for each sender, and what that gets
back goes to the sender. The n-th datagram of a pipe meets with the same fate as the n-th packet of a switch's pipe.
Of TCP the module ``stream`` takes care.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from panther_link_relay.control import answer, listening
from panther_link_relay.pipe import Pipe, pipes_of
from panther_link_relay.stream import StreamDoor, Streams

BUFFER = 4 << 20
BATCH = 64
LARGEST = 65535
MOST_SESSIONS = 300
"""Senders at the same time; the one that was silent for the longest time makes room."""
_INODE = 9
"""Column of the kernel's list of sockets; the last one counts what was dropped."""
HEADERS = 42
"""Bytes that a datagram has around it on a network, which count for rates."""


class Session:
    """One sender at a door, and the socket that stands for it at the service."""

    def __init__(self, door: Door, sender: Any, number: int) -> None:
        """Begin without a socket: it is made for the first datagram that leaves."""
        self.door, self.sender, self.number = door, sender, number
        self.socket: socket.socket | None = None
        self.forgotten = 0


class Door:
    """An address that one service was told instead of another's."""

    def __init__(self, told: Mapping[str, Any], pipes: Mapping[str, Pipe]) -> None:
        """Open it."""
        self.there, self.back = pipes[told["there"]], pipes[told["back"]]
        self.to, self.aliases = tuple(told["to"]), told["aliases"]
        self.socket = datagrams(told["at"][0])
        self.socket.bind(tuple(told["at"]))

    def upstream(self, session: Session, now: float) -> tuple[socket.socket, socket.socket | None]:
        """Return the socket that stands for a sender now, and the one that it replaces, if it does."""
        schedule = self.there.schedule
        forgotten = schedule.times(now)
        if session.socket is not None and session.forgotten == forgotten:
            return session.socket, None
        former, session.forgotten = session.socket, forgotten
        address = self.aliases[forgotten % len(self.aliases)] if schedule.moves else self.aliases[0]
        session.socket = datagrams(address)
        session.socket.bind((address, 0))
        session.socket.connect(self.to)
        schedule.seen = max(schedule.seen, forgotten)
        return session.socket, former


class Proxy:
    """All doors, who has come to them, and the pipes behind them."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Open the doors."""
        self.pipes = pipes_of(spec, header=0, around=HEADERS)
        named = {each.name: each for each in self.pipes}
        self.listener = listening(spec["control"])
        self.poll = select.epoll()
        self.poll.register(self.listener, select.EPOLLIN)
        self.streams = Streams(self.poll)
        self.doors = {}
        for told in spec["doors"]:
            if told["transport"] == "tcp":
                self.streams.open(StreamDoor(told, named))
                continue
            door = Door(told, named)
            self.doors[door.socket.fileno()] = door
            self.poll.register(door.socket, select.EPOLLIN)
        self.sessions: OrderedDict[tuple[int, Any], Session] = OrderedDict()
        self.upstreams: dict[int, Session] = {}
        self.numbers: dict[int, Session] = {}
        self.number = 0

    def run(self) -> None:
        """Pass datagrams on until somebody raises an exception, as the signal handler does."""
        while True:
            now = time.monotonic()
            due = min(filter(None, (self.deliver(now), self.streams.deliver(now))), default=None)
            # epoll alone waits for whole milliseconds.
            select.select([self.poll], (), (), None if due is None else max(0.0, due - now))
            for number, event in self.poll.poll(0):
                if self.streams.happened(number, event, time.monotonic()):
                    continue
                if number == self.listener.fileno():
                    answer(self.listener, self.pipes, Pipe.change)
                elif number in self.doors:
                    self.arrived(self.doors[number])
                elif number in self.upstreams:
                    self.answered(self.upstreams[number])

    def arrived(self, door: Door) -> None:
        """Take what senders have brought to a door."""
        now = time.monotonic()
        for _ in range(BATCH):
            try:
                data, sender = door.socket.recvfrom(LARGEST)
            except BlockingIOError:
                return
            except OSError:
                continue
            door.there.take(data, now, self.session(door, sender))

    def session(self, door: Door, sender: Any) -> int:
        """Return the number of a sender's session, which may begin now."""
        key = (door.socket.fileno(), sender)
        if key in self.sessions:
            self.sessions.move_to_end(key)
            return self.sessions[key].number
        if len(self.sessions) >= MOST_SESSIONS:
            _, oldest = self.sessions.popitem(last=False)
            self.close(oldest.socket)
            del self.numbers[oldest.number]
        self.number += 1
        self.sessions[key] = self.numbers[self.number] = Session(door, sender, self.number)
        return self.number

    def close(self, upstream: socket.socket | None) -> None:
        """Forget a socket that stood for a sender."""
        if upstream is not None:
            self.upstreams.pop(upstream.fileno(), None)
            self.poll.unregister(upstream)
            upstream.close()

    def answered(self, session: Session) -> None:
        """Take what a service has sent back."""
        now = time.monotonic()
        for _ in range(BATCH):
            try:
                data = session.socket.recv(LARGEST) if session.socket is not None else b""
            except BlockingIOError:
                return
            except OSError:
                continue  # nobody listens at the service's port
            session.door.back.take(data, now, -session.number)

    def deliver(self, now: float) -> float | None:
        """Send everything that is due; return when the next datagram will be."""
        following = None
        for pipe in self.pipes:
            for queue in (pipe.overtaking, pipe.delayed):
                while queue and queue[0][0] <= now:
                    _, since, number, data = queue.popleft()
                    self.send(number, data, now)
                    pipe.note(now - since)
                if queue and (following is None or queue[0][0] < following):
                    following = queue[0][0]
        return following

    def overruns(self) -> dict[str, int]:
        """Return how many datagrams the kernel had no room for while this program was busy, by where they arrived."""
        doors = {str(os.fstat(number).st_ino): door.there.name for number, door in self.doors.items()}
        found = dict.fromkeys(doors.values(), 0)
        for table in filter(os.path.exists, ("/proc/net/udp", "/proc/net/udp6")):
            with open(table, encoding="ascii") as lines:  # noqa: PTH123 - as in the other programs here
                for row in map(str.split, lines):
                    if row[_INODE] in doors:
                        found[doors[row[_INODE]]] += int(row[-1])
        return found

    def send(self, number: int, data: bytes, now: float) -> None:
        """Send a datagram to the service, or back to the sender; one that nobody takes is lost, as on any network."""
        session = self.numbers.get(abs(number))
        if session is None:
            return
        try:
            if number < 0:
                session.door.socket.sendto(data, session.sender)
                return
            upstream, former = session.door.upstream(session, now)
            if upstream.fileno() not in self.upstreams:
                self.close(former)
                self.upstreams[upstream.fileno()] = session
                self.poll.register(upstream, select.EPOLLIN)
            upstream.send(data)
        except OSError:
            return


def datagrams(address: str) -> socket.socket:
    """Return a socket for datagrams to and from addresses of this kind."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, which, BUFFER)
    made.setblocking(False)
    return made
