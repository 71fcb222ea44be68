"""A switch in user space that does to packets what a link is asked to do; for kernels that cannot do it themselves.

It reads what to do from a JSON file::

    {"seed": 7, "report": "FILE", "control": "SOCKET",
     "ports": [{"interface": "p0", "mac": "02:00:00:00:00:01"}, ...],
     "pipes": [{"name": "client->server", "link": "client-server", "port": 0,
                "pairs": [["10.0.0.1", "10.0.0.2"], ...], "aliases": {}, "delay": 0.02, ...}]}

A frame that comes in at the port of a pipe and goes from the first to the second address of one of its pairs goes
through that pipe; every other frame is passed on at once, like the frames that find hardware addresses. What happens
to the n-th packet of a pipe depends on the seed, the pipe's name and n alone.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

from panther_link_relay.control import answer, listening
from panther_link_relay.nat import Nat
from panther_link_relay.pipe import Pipe, pipes_of

SOL_PACKET, PACKET_STATISTICS, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 6, 23, 3
RECEIVE_BUFFER = 8 << 20
BATCH = 64
LARGEST_FRAME = 65600
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
ICMP6, FINDING = 58, range(133, 138)
"""Router and neighbour discovery, which is to IPv6 what ARP is to IPv4."""


class Switch:
    """Ports, what is behind them, and the pipes between them."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Open the ports."""
        self.sockets = [opened(each["interface"]) for each in spec["ports"]]
        self.numbers = {each.fileno(): number for number, each in enumerate(self.sockets)}
        self.behind = {packed_mac(each["mac"]): number for number, each in enumerate(spec["ports"])}
        self.listener = listening(spec["control"])
        self.pipes = pipes_of(spec)
        self.ways: list[dict[bytes, Pipe]] = [{} for _ in self.sockets]
        self.told = {each["name"]: each for each in spec["pipes"]}
        self.hiding: dict[str, Nat] = {}
        """The NAT in front of the sender of a pipe."""
        self.nats: dict[bytes, Nat] = {}
        """By source and target of answers that come back to a NAT."""
        for pipe, each in zip(self.pipes, spec["pipes"], strict=True):
            for source, target in each["pairs"]:
                self.ways[each["port"]][packed(source) + packed(target)] = pipe
            if each["rebind"]:
                self.translate(pipe)

    def translate(self, pipe: Pipe) -> None:
        """Put a NAT in front of the sender of a pipe, unless there is one."""
        told = self.told[pipe.name]
        if pipe.name not in self.hiding:
            nat = self.hiding[pipe.name] = Nat(pipe.schedule, told["aliases"], pipe.seed)
            self.nats |= returning(nat, told["pairs"], told["aliases"])

    def change(self, pipe: Pipe, change: Mapping[str, Any]) -> None:
        """Do what a change of a link says to one of its directions."""
        if change["do"] == "rebind":
            self.translate(pipe)
        pipe.change(change)

    def run(self) -> None:
        """Pass frames on until somebody raises an exception, as the signal handler does."""
        ends = (*self.sockets, self.listener)
        while True:
            now = time.monotonic()
            due = self.deliver(now)
            readable, _, _ = select.select(ends, (), (), None if due is None else max(0.0, due - now))
            for each in readable:
                if each is self.listener:
                    answer(each, self.pipes, self.change)
                else:
                    self.receive(each)

    def receive(self, source: socket.socket) -> None:
        """Take what has arrived at a port."""
        port = self.numbers[source.fileno()]
        now = time.monotonic()
        for _ in range(BATCH):
            try:
                frame = source.recv(LARGEST_FRAME)
            except BlockingIOError:
                return
            except OSError:
                continue  # the interface was down for a moment
            self.forward(frame, port, now)

    def forward(self, frame: bytes, port: int, now: float) -> None:
        """Send a frame on, or give it to its pipe."""
        target = self.behind.get(frame[:6])
        if target is None:
            for number in range(len(self.sockets)):
                if number != port:
                    self.send(number, frame)
            return
        kind = frame[12:14]
        if kind == IPV4:
            way = frame[26:34]
        elif kind == IPV6 and not (frame[20] == ICMP6 and frame[54] in FINDING):
            way = frame[22:54]
        else:
            self.send(target, frame)
            return
        pipe = self.ways[port].get(way)
        if self.nats and way in self.nats:
            answered = self.nats[way].incoming(frame)
            if answered is None:
                return
            frame = answered
        if pipe is None:
            self.send(target, frame)
        else:
            pipe.take(frame, now, target)

    def deliver(self, now: float) -> float | None:
        """Send everything that is due; return when the next frame will be."""
        following = None
        for pipe in self.pipes:
            nat = self.hiding.get(pipe.name)
            for queue in (pipe.overtaking, pipe.delayed):
                while queue and queue[0][0] <= now:
                    _, since, port, frame = queue.popleft()
                    self.send(port, frame if nat is None else nat.outgoing(frame, now))
                    pipe.note(now - since)
                if queue and (following is None or queue[0][0] < following):
                    following = queue[0][0]
        return following

    def overruns(self) -> dict[str, int]:
        """Return how many frames the kernel had no room for while this program was busy, by the pipes at that port."""
        counted = [struct.unpack("=II", each.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1] for each in self.sockets]
        return {name: int(counted[told["port"]]) for name, told in self.told.items()}

    def send(self, port: int, frame: bytes) -> None:
        """Send a frame; one that nobody can take is lost, as on any network."""
        try:
            self.sockets[port].send(frame)
        except OSError:
            return


def returning(nat: Nat, pairs: Sequence[Sequence[str]], aliases: Mapping[str, Sequence[str]]) -> dict[bytes, Nat]:
    """Return the NAT by source and target of every packet that may be an answer to what went through it."""
    return {
        packed(target) + packed(seems): nat for source, target in pairs for seems in (source, *aliases.get(source, ()))
    }


def opened(interface: str) -> socket.socket:
    """Return a socket that receives every frame that comes in at an interface."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    made.bind((interface, ETH_P_ALL))
    made.setblocking(False)
    return made


def packed(address: str) -> bytes:
    """Return an address of either kind as it stands in a packet."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def packed_mac(text: str) -> bytes:
    """Return a hardware address as it stands in a frame."""
    return bytes.fromhex(text.replace(":", ""))
