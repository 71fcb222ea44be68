"""A switch in user space that does to packets what a link is asked to do; for kernels that cannot do it themselves.

Run as ``python -I -S relay.py SPEC`` in the namespace that has the ports. ``SPEC`` is a JSON file::

    {"seed": 7, "report": "FILE", "ports": [{"interface": "p0", "mac": "02:00:00:00:00:01"}, ...],
     "pipes": [{"name": "client-server", "port": 0, "pairs": [["10.0.0.1", "10.0.0.2"], ...], "delay": 0.02, ...}]}

A frame that comes in at the port of a pipe and goes from the first to the second address of one of its pairs goes
through that pipe; every other frame is passed on at once, like the frames that find hardware addresses. What happens
to the n-th packet of a pipe depends on the seed, the pipe's name and n alone.

One byte is written to the standard output once packets are passed on. On SIGTERM the report is written: what became of
the packets of each pipe.
"""

# ruff: noqa: PTH123
# pathlib would take a third of the start-up time.

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Any

SOL_PACKET, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 23, 3
RECEIVE_BUFFER = 8 << 20
BATCH = 64
LARGEST_FRAME = 65600
QUEUE_SECONDS = 0.1
"""How long a packet may wait for the packets before it where there is a rate; a longer queue drops."""
MOST_SAMPLES = 4096
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
ICMP6, FINDING = 58, range(133, 138)
"""Router and neighbour discovery, which is to IPv6 what ARP is to IPv4."""
COUNTED = ("packets", "bytes", "lost", "dropped", "reordered", "duplicated", "corrupted")


class Pipe:
    """One direction of a link."""

    def __init__(self, spec: dict[str, Any], seed: int) -> None:
        """Begin with an empty queue and the seed's own sequence of chances."""
        self.name = spec["name"]
        self.draw = random.Random(f"{seed}:{spec['name']}").random
        self.delay, self.jitter, self.rate = spec["delay"], spec["jitter"], spec["rate"]
        self.loss, self.reorder = spec["loss"], spec["reorder"]
        self.duplicate, self.corrupt = spec["duplicate"], spec["corrupt"]
        self.busy_until = 0.0
        self.latest = 0.0
        self.delayed: deque[tuple[float, float, int, bytes]] = deque()
        self.overtaking: deque[tuple[float, float, int, bytes]] = deque()
        self.packets = self.bytes = self.lost = self.dropped = 0
        self.reordered = self.duplicated = self.corrupted = 0
        self.held: list[float] = []

    def take(self, frame: bytes, now: float, port: int) -> None:
        """Put a frame that is to leave at ``port`` into the queue, unless it gets lost."""
        self.packets += 1
        self.bytes += len(frame)
        draw = self.draw
        if self.loss and draw() < self.loss:
            self.lost += 1
            return
        leaves = now
        if self.rate:
            leaves = max(now, self.busy_until)
            if leaves - now > QUEUE_SECONDS:
                self.dropped += 1
                return
            leaves += len(frame) * 8 / self.rate
            self.busy_until = leaves
        if self.corrupt and draw() < self.corrupt:
            self.corrupted += 1
            frame = self.flipped(frame)
        copies = 1
        if self.duplicate and draw() < self.duplicate:
            self.duplicated += 1
            copies = 2
        if self.reorder and draw() < self.reorder:
            self.reordered += 1
            self.overtaking.extend([(leaves, now, port, frame)] * copies)
            return
        leaves += self.delay
        if self.jitter:
            leaves += (2 * draw() - 1) * self.jitter
        # Jitter alone keeps the order: that is what reorder is for.
        self.latest = leaves = max(leaves, self.latest)
        self.delayed.extend([(leaves, now, port, frame)] * copies)

    def flipped(self, frame: bytes) -> bytes:
        """Return the frame with one bit turned over, somewhere behind the hardware addresses."""
        changed = bytearray(frame)
        bit = int(self.draw() * (len(frame) - 14) * 8)
        changed[14 + bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def report(self) -> dict[str, Any]:
        """Return what became of the packets, and how long they were held back in seconds."""
        held = sorted(self.held)
        waited = {f"held_p{share}": held[len(held) * share // 100] for share in (5, 50, 95)} if held else {}
        return {"direction": self.name, **{name: getattr(self, name) for name in COUNTED}, **waited}


class Switch:
    """Ports, what is behind them, and the pipes between them."""

    def __init__(self, spec: dict[str, Any]) -> None:
        """Open the ports."""
        self.sockets = [opened(each["interface"]) for each in spec["ports"]]
        self.numbers = {each.fileno(): number for number, each in enumerate(self.sockets)}
        self.behind = {packed_mac(each["mac"]): number for number, each in enumerate(spec["ports"])}
        self.pipes = [Pipe(each, spec["seed"]) for each in spec["pipes"]]
        self.ways: list[dict[bytes, Pipe]] = [{} for _ in self.sockets]
        for pipe, each in zip(self.pipes, spec["pipes"], strict=True):
            for source, target in each["pairs"]:
                self.ways[each["port"]][packed(source) + packed(target)] = pipe

    def run(self) -> None:
        """Pass frames on until somebody raises an exception, as the signal handler does."""
        while True:
            now = time.monotonic()
            due = self.deliver(now)
            readable, _, _ = select.select(self.sockets, (), (), None if due is None else max(0.0, due - now))
            for each in readable:
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
        pipe = None
        if kind == IPV4:
            pipe = self.ways[port].get(frame[26:34])
        elif kind == IPV6 and not (frame[20] == ICMP6 and frame[54] in FINDING):
            pipe = self.ways[port].get(frame[22:54])
        if pipe is None:
            self.send(target, frame)
        else:
            pipe.take(frame, now, target)

    def deliver(self, now: float) -> float | None:
        """Send everything that is due; return when the next frame will be."""
        following = None
        for pipe in self.pipes:
            for queue in (pipe.overtaking, pipe.delayed):
                while queue and queue[0][0] <= now:
                    _, since, port, frame = queue.popleft()
                    self.send(port, frame)
                    if len(pipe.held) < MOST_SAMPLES:
                        pipe.held.append(now - since)
                if queue and (following is None or queue[0][0] < following):
                    following = queue[0][0]
        return following

    def send(self, port: int, frame: bytes) -> None:
        """Send a frame; one that nobody can take is lost, as on any network."""
        try:
            self.sockets[port].send(frame)
        except OSError:
            return


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


def main() -> None:
    """Serve until SIGTERM, then report."""
    with open(sys.argv[1], "rb") as file:
        spec = json.load(file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(PermissionError):
        os.nice(-20)  # a link does not slow down because the programs at its ends are busy
    switch = Switch(spec)
    sys.stdout.write(".")
    sys.stdout.flush()
    try:
        switch.run()
    finally:
        with open(spec["report"], "w") as file:
            json.dump([pipe.report() for pipe in switch.pipes], file, indent=1)


if __name__ == "__main__":
    main()
