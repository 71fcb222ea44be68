"""One direction of a link: what becomes of each packet, and when it leaves."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from typing import Any

from panther_link_relay.nat import Schedule

QUEUE_SECONDS = 0.1
"""How long a packet may wait for the packets before it where there is a rate and no queue; a longer queue drops."""
MOST_SAMPLES = 4096
COUNTED = ("packets", "bytes", "lost", "dropped", "swallowed", "reordered", "duplicated", "corrupted")
NEVER = float("inf")


class Chance:
    """Decides about packets one after the other: its n-th answer depends on the seed, its name and n alone."""

    def __init__(self, name: str, share: float, burst: int = 0) -> None:
        """Hit that share of packets, at most ``burst`` in a row."""
        self.draw = random.Random(name).random
        self.share, self.burst, self.row = share, burst, 0

    def hits(self) -> bool:
        """Return whether it hits the next packet."""
        hit = self.draw() < self.share
        if self.burst:
            hit = hit and self.row < self.burst
            self.row = self.row + 1 if hit else 0
        return hit


class Clock:
    """Says when a link that works on and off is off; it runs from the first packet of either direction."""

    def __init__(self) -> None:
        """Wait for the first packet."""
        self.start = NEVER

    def since(self, now: float) -> float:
        """Return the time since the first packet, which may be this one."""
        self.start = min(self.start, now)
        return now - self.start


class Pipe:
    """One direction of a link."""

    def __init__(
        self, spec: Mapping[str, Any], seed: int, clock: Clock | None = None, *, header: int = 14, around: int = 0
    ) -> None:
        """Begin with an empty queue.

        The first ``header`` bytes of a packet are never corrupted; ``around`` it are as many as count for the rate.
        """
        self.name, self.seed, self.header, self.around = spec["name"], f"{seed}:{spec['name']}", header, around
        self.schedule = Schedule(spec["rebind"])
        self.clock = clock or Clock()
        self.busy_until = self.latest = 0.0
        self.delayed: deque[tuple[float, float, int, bytes]] = deque()
        self.overtaking: deque[tuple[float, float, int, bytes]] = deque()
        self.packets = self.bytes = self.lost = self.dropped = self.swallowed = 0
        self.reordered = self.duplicated = self.corrupted = 0
        self.held: list[float] = []
        self.closed, self.losing = False, 0
        self.waiting: deque[float] = deque()
        self.set(spec)

    def set(self, state: Mapping[str, Any]) -> None:
        """Do from now on what ``state`` says."""
        self.delay, self.rate, self.queue = state["delay"], state["rate"], state["queue"]
        self.loss = self._chance("loss", state, state["burst"])
        self.corrupt = self._chance("corrupt", state, state["burst"])
        self.duplicate = self._chance("duplicate", state)
        self.reorder = self._chance("reorder", state)
        self.jitter = self._chance("jitter", state)
        self.drop = {number for first, last in state["drop"] for number in range(first, last + 1)}
        hole = state["blackhole"]
        self.on: float = hole["on"] if hole else 0.0
        self.cycle: float = hole["on"] + hole["off"] if hole else 0.0
        self.judge()

    def judge(self) -> None:
        """Find out whether packets are only held back, which most links do most of the time and is fast."""
        chances = (self.loss, self.corrupt, self.duplicate, self.reorder, self.jitter)
        self.plain = not (any(chances) or self.rate or self.drop or self.cycle or self.closed or self.losing)

    def _chance(self, what: str, state: Mapping[str, Any], burst: int = 0) -> Chance | None:
        return Chance(f"{self.seed}:{what}", state[what], burst) if state[what] else None

    def swallows(self, now: float) -> bool:
        """Return whether this packet vanishes because somebody said so, and not by chance."""
        if self.losing:
            self.losing -= 1
            return True
        if self.closed or self.packets in self.drop:
            return True
        return bool(self.cycle) and self.clock.since(now) % self.cycle >= self.on

    def take(self, frame: bytes, now: float, port: int) -> None:
        """Put a frame that is to leave at ``port`` into the queue, unless it gets lost."""
        self.packets += 1
        self.bytes += len(frame)
        if self.plain:
            self.latest = leaves = max(now + self.delay, self.latest)
            self.delayed.append((leaves, now, port, frame))
            return
        # Every chance is asked about every packet, so that none depends on what the clock did to those before.
        lost = self.loss is not None and self.loss.hits()
        corrupt = self.corrupt is not None and self.corrupt.hits()
        copies = 2 if self.duplicate is not None and self.duplicate.hits() else 1
        overtakes = self.reorder is not None and self.reorder.hits()
        varied = 0.0 if self.jitter is None else (2 * self.jitter.draw() - 1) * self.jitter.share
        if (self.closed or self.losing or self.drop or self.cycle) and self.swallows(now):
            self.swallowed += 1
            return
        if lost:
            self.lost += 1
            return
        leaves = self.served(len(frame) + self.around, now) if self.rate else now
        if leaves == NEVER:
            self.dropped += 1
            return
        if corrupt and len(frame) > self.header:
            self.corrupted += 1
            frame = self.flipped(frame)
        self.duplicated += copies - 1
        if overtakes:
            self.reordered += 1
            self.overtaking.extend([(leaves, now, port, frame)] * copies)
            return
        # Jitter alone keeps the order: that is what reorder is for.
        self.latest = leaves = max(leaves + self.delay + varied, self.latest)
        self.delayed.extend([(leaves, now, port, frame)] * copies)

    def served(self, size: int, now: float) -> float:
        """Return when a packet of ``size`` bytes has passed the bottleneck: never, where its queue is full."""
        starts = max(now, self.busy_until)
        if self.queue:
            waiting = self.waiting
            while waiting and waiting[0] <= now:
                waiting.popleft()
            if len(waiting) >= self.queue:
                return NEVER
            if starts > now:
                waiting.append(starts)
        elif starts - now > QUEUE_SECONDS:
            return NEVER
        self.busy_until = starts + size * 8 / self.rate
        return self.busy_until

    def carries(self, size: int, now: float) -> float:
        """Return when bytes of a stream arrive that are sent now: they wait where packets would be dropped."""
        self.packets += 1
        self.bytes += size
        if self.rate:
            self.busy_until = max(now, self.busy_until) + size * 8 / self.rate
            now = self.busy_until
        varied = 0.0 if self.jitter is None else (2 * self.jitter.draw() - 1) * self.jitter.share
        self.latest = max(now + self.delay + varied, self.latest)
        return self.latest

    def has_room(self, now: float) -> bool:
        """Return whether a sender of streams may send more: its packets would wait, and nothing holds them up."""
        return self.busy_until - now <= QUEUE_SECONDS and not self.holds(now)

    def room_at(self, now: float) -> float:
        """Return when a sender may send more that may not now."""
        return NEVER if self.has_room(now) else self.busy_until - QUEUE_SECONDS

    def holds(self, now: float) -> float:
        """Return for how long nothing comes through, 0 if it does."""
        if self.closed:
            return NEVER
        since = self.clock.since(now) % self.cycle if self.cycle else 0.0
        return self.cycle - since if self.cycle and since >= self.on else 0.0

    def flipped(self, frame: bytes) -> bytes:
        """Return the frame with one bit turned over, somewhere behind its header."""
        changed = bytearray(frame)
        bit = int(random.Random(f"{self.seed}:bit:{self.packets}").random() * (len(frame) - self.header) * 8)
        changed[self.header + bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def change(self, change: Mapping[str, Any]) -> None:
        """Do what a change of the link says."""
        what = change["do"]
        if what == "set":
            self.set(change["to"])
        elif what == "lose":
            self.losing += change["packets"]
        elif what == "rebind":
            self.schedule.told += 1
        elif what == "heal":
            self.closed, self.losing = False, 0
        elif what in ("blackhole", "partition"):
            self.closed = True
        if what == "partition":
            self.swallowed += len(self.delayed) + len(self.overtaking)
            self.delayed.clear()
            self.overtaking.clear()
        self.judge()

    def note(self, held: float) -> None:
        """Remember how long a packet was held back, of the first ones."""
        if len(self.held) < MOST_SAMPLES:
            self.held.append(held)

    def report(self) -> dict[str, Any]:
        """Return what became of the packets, and how long they were held back in seconds."""
        held = sorted(self.held)
        waited = {f"held_p{share}": held[len(held) * share // 100] for share in (5, 50, 95)} if held else {}
        rebound = {"rebound": self.schedule.seen} if self.schedule.seen else {}
        return {"direction": self.name, **{name: getattr(self, name) for name in COUNTED}, **waited, **rebound}


def pipes_of(spec: Mapping[str, Any], *, header: int = 14, around: int = 0) -> list[Pipe]:
    """Return the pipes that a relay was told to have; both directions of a link have one clock."""
    clocks: dict[str, Clock] = {}
    return [
        Pipe(each, spec["seed"], clocks.setdefault(each["link"], Clock()), header=header, around=around)
        for each in spec["pipes"]
    ]
