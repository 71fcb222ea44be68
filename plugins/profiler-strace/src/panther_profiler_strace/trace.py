"""What a log says, added up: system calls, what they were made on, peers, failures, tasks, and all of it over time."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

MOST_THINGS = 10_000
"""How many files, sockets, peers and ended tasks are told apart; what comes later is counted together."""
MOST_FAILURES = 1_000
MOST_SLOTS = 512
OTHERS = "(others)"

NETWORK_KINDS = frozenset({"TCP", "UDP", "UDPLITE", "RAW", "PING", "SCTP", "MPTCP", "DCCP"})
DATAGRAM_KINDS = frozenset({"UDP", "UDPLITE", "RAW", "PING"})


@attrs.define
class Call:
    """All calls of one name."""

    name: str
    count: int = 0
    errors: int = 0
    nanoseconds: int = 0
    slowest: int = 0
    by_error: dict[str, int] = attrs.field(factory=dict)


@attrs.define
class Target:
    """Everything done to one file, socket or other thing that a descriptor stood for."""

    name: str
    kind: str
    """``UDP``, ``TCP``, ``UNIX``, ... for sockets, ``file`` for paths, ``other`` for pipes and the like."""
    count: int = 0
    errors: int = 0
    nanoseconds: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    by_call: dict[str, list[int]] = attrs.field(factory=dict)
    """Count and nanoseconds by the name of the call."""
    local: str = ""
    remote: str = ""
    """For a socket: what it is connected to, if it is."""
    segment: int = 0
    """For a UDP socket: the size that the kernel cuts what is sent into (UDP_SEGMENT), 0 if it does not."""

    @property
    def is_network(self) -> bool:
        """Whether bytes through it leave for another socket by way of an IP protocol."""
        return self.kind in NETWORK_KINDS


@attrs.define
class Peer:
    """The traffic with one address."""

    name: str
    protocol: str
    bytes_in: int = 0
    bytes_out: int = 0
    datagrams_in: int = 0
    datagrams_out: int = 0
    calls_in: int = 0
    calls_out: int = 0
    errors: int = 0


@attrs.define
class Batches:
    """How many messages went through one kind of call at once."""

    calls: int = 0
    messages: int = 0
    most: int = 0

    def add(self, messages: int) -> None:
        """Count one call."""
        self.calls += 1
        self.messages += messages
        self.most = max(self.most, messages)


@attrs.define
class Network:
    """What sockets of IP protocols were used for, over all peers."""

    attempts: int = 0
    """Calls that send or receive."""
    would_block: int = 0
    """Those of them that failed with EAGAIN."""
    batches: dict[str, Batches] = attrs.field(factory=dict)
    """By the name of the call: sendmmsg, recvmmsg."""
    segmented_sends: int = 0
    """Messages that the kernel cut into datagrams (GSO)."""
    segmented_bytes: int = 0
    uncounted_segments: int = 0
    """Those of them whose segment size the log does not show; each counts as one datagram."""
    merged_receives: int = 0
    """Messages that the kernel merged from datagrams (GRO); each counts as one datagram."""


@attrs.define
class Failure:
    """Failures of one call with one error on one sort of thing."""

    call: str
    error: str
    text: str
    place: str
    example: str
    count: int = 0
    injected: int = 0
    targets: dict[str, int] = attrs.field(factory=dict)
    """How often each of the first few things it failed on."""


@attrs.define
class Task:
    """One process or thread."""

    number: str
    program: str = ""
    count: int = 0
    errors: int = 0
    nanoseconds: int = 0
    parent: str = ""
    thread: bool = False
    ended: str = ""


@attrs.frozen
class Death:
    """A task that a signal of its own making has ended."""

    program: str
    signal: str
    detail: str
    """What the log says about the signal, such as the address that was accessed."""


@attrs.define
class Slot:
    """A stretch of the timeline."""

    calls: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: Slot) -> None:
        """Take the later stretch into this one."""
        self.calls += other.calls
        self.errors += other.errors
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out


@attrs.define
class Timeline:
    """Slots of equal width; when there are too many of them each two become one, so memory stays flat."""

    width: float = 0.01
    begin: float = -1.0
    end: float = 0.0
    slots: dict[int, Slot] = attrs.field(factory=dict)

    def at(self, when: float) -> Slot:
        """Return the slot of a moment."""
        if self.begin < 0:
            self.begin = when
        self.end = max(self.end, when)
        index = int((when - self.begin) / self.width)
        while len(self.slots) >= MOST_SLOTS and index not in self.slots:
            self._halve()
            index = int((when - self.begin) / self.width)
        return self.slots.setdefault(index, Slot())

    def _halve(self) -> None:
        old, self.slots = self.slots, {}
        self.width *= 2
        for index, slot in sorted(old.items()):
            self.slots.setdefault(index // 2, Slot()).add(slot)

    def __iter__(self) -> Iterator[tuple[float, Slot]]:
        """Yield seconds since the first call, and the slot that begins there."""
        for index, slot in sorted(self.slots.items()):
            yield index * self.width, slot


@attrs.define
class Row:
    """One row of strace's own table."""

    count: int = 0
    errors: int = 0
    microseconds: int = 0


@attrs.define
class Trace:
    """Everything that was read from one log."""

    calls: dict[str, Call] = attrs.field(factory=dict)
    targets: dict[str, Target] = attrs.field(factory=dict)
    paths: dict[str, Call] = attrs.field(factory=dict)
    """Calls that name a path rather than a descriptor, by path."""
    peers: dict[str, Peer] = attrs.field(factory=dict)
    network: Network = attrs.field(factory=Network)
    failures: dict[tuple[str, str, str], Failure] = attrs.field(factory=dict)
    tasks: list[Task] = attrs.field(factory=list)
    task_count: int = 0
    signals: dict[str, int] = attrs.field(factory=dict)
    deaths: list[Death] = attrs.field(factory=list)
    timeline: Timeline = attrs.field(factory=Timeline)
    table: dict[str, Row] = attrs.field(factory=dict)
    """strace's own table, if the log is complete."""
    tables: int = 0
    injected: int = 0
    lines: int = 0
    unread: int = 0
    """Lines that are not like any known one, such as one that was cut in the middle."""
    cut: bool = False
    """Whether a part of the log was dropped because it had reached its limit."""

    @property
    def count(self) -> int:
        """All calls."""
        return sum(call.count for call in self.calls.values())

    @property
    def errors(self) -> int:
        """All calls that failed."""
        return sum(call.errors for call in self.calls.values())

    @property
    def nanoseconds(self) -> int:
        """The time of all calls, of threads at the same time added up."""
        return sum(call.nanoseconds for call in self.calls.values())
