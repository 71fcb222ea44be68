"""Sends requests when they are due, not when there is time, and notes what came of each."""

from __future__ import annotations

import argparse
import random
import select
import signal
import statistics
from collections import deque
from collections.abc import Iterator

from panther_service_load.load.wires import Line, clock

SPIN = 0.00004
"""Seconds before a request is due from which on waiting means looking at the clock: sleeping is not precise enough.

It is short, because whoever never sleeps has to wait for long when others want the processor, too.
"""
DRAIN = 0.01
OPENING, OPENING_TRIES = 0.2, 25
WINDOW, AGREE, MOST_WINDOWS = 0.25, 0.1, 40
"""Automatic warm-up: windows of this many seconds, until the medians of three in a row agree within that share."""


class Driver:
    """One load: every request has a number, a time at which it is due, and what happened to it."""

    def __init__(self, options: argparse.Namespace, lines: list[Line]) -> None:
        """Be ready to load the lines."""
        self.options, self.lines = options, lines
        self.due: list[float] = []
        self.sent: list[float] = []
        """0 for what could not be sent."""
        self.answered: list[float] = []
        self.answers: list[bytes] = []
        self.tries: list[int] = []
        self.first = 0
        """Number of the first request of the measured part."""
        self.idle = 0.0
        self.began = self.ended = clock()
        self.steady = False
        self.strangers = 0
        self.stopped = False
        self.precedence = False
        """Whether this process runs before others, so that it can keep its schedule on a busy machine."""
        self._waiting: deque[tuple[float, int]] = deque()
        self._random = random.Random(f"arrivals {options.seed}")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def open_all(self) -> bool:
        """Open the session of every line; return whether all were answered."""
        for line in self.lines:
            tries = 0
            while line.dialect.opening() and not self.stopped:
                if tries == OPENING_TRIES:
                    return False
                line.reopen(clock())
                tries += 1
                if self._wait_for(line, clock() + OPENING):
                    break
        return not self.stopped

    def _wait_for(self, line: Line, until: float) -> bool:
        while (left := until - clock()) > 0:
            if line.socket is None:
                return False
            select.select([line.socket], [], [], left)
            if line.receive():
                return True
        return False

    def warm_up(self) -> None:
        """Load for as long as was asked for, or until the answers have become as fast as they get."""
        if self.options.warmup != "auto":
            self._part(float(self.options.warmup))
            self.steady = True
            return
        medians: list[float] = []
        while len(medians) < MOST_WINDOWS and not self.stopped:
            start = len(self.due)
            self._part(WINDOW)
            times = [self.answered[n] - self.due[n] for n in range(start, len(self.due)) if self.answered[n]]
            medians.append(statistics.median(times) if times else float("inf"))
            last = medians[-3:]
            if len(last) == 3 and max(last) <= min(last) * (1 + AGREE):  # noqa: PLR2004 - three in a row
                self.steady = True
                return

    def measure(self) -> None:
        """Run the measured part, and wait for the answers that are still under way."""
        self.first, self.idle, self.began = len(self.due), 0.0, clock()
        self._part(self.options.duration)
        self.ended = clock()
        busy_until = self.idle
        until = self.ended + self.options.timeout
        while self._unanswered() and clock() < until and not self.stopped:
            self._receive(min(until, clock() + DRAIN))
            self._again(clock())
        self.idle = busy_until

    def close_all(self) -> None:
        """Say goodbye on every line."""
        for line in self.lines:
            line.close()

    def _unanswered(self) -> bool:
        """Return whether answers are still to be expected."""
        while self._waiting and self.answered[self._waiting[0][1]]:
            self._waiting.popleft()
        return bool(self._waiting)

    def _part(self, seconds: float) -> None:
        if seconds > 0:
            (self._open if self.options.mode == "open" else self._closed)(seconds)

    def _schedule(self, seconds: float) -> Iterator[float]:
        """Yield the moments at which requests are due."""
        start, rate = clock() + SPIN, self.options.rate
        if self.options.arrivals == "even":
            yield from (start + number / rate for number in range(round(seconds * rate)))
            return
        moment = start
        while (moment := moment + self._random.expovariate(rate)) < start + seconds:
            yield moment

    def _open(self, seconds: float) -> None:
        """Send each request at its time, whether or not the server keeps up."""
        number = len(self.due)
        schedule = list(self._schedule(seconds))
        requests = [self._line(number + k).dialect.request(number + k) for k in range(len(schedule))]
        late = clock() + SPIN - (schedule[0] if schedule else 0.0)
        for moment, request in zip(schedule, requests, strict=True):
            due = moment + late  # making the requests took a while
            self._receive(due)
            if self.stopped:
                return
            self._send(request, due)

    def _closed(self, seconds: float) -> None:
        """Send the next request of a user when its last one was answered or is lost."""
        end, rate = clock() + seconds, self.options.rate
        free = clock()
        users: dict[int, float] = {}
        while clock() < end and not self.stopped:
            users = {
                number: sent
                for number, sent in users.items()
                if not self.answered[number] and clock() - sent < self.options.timeout
            }
            while len(users) < self.options.users and clock() >= free:
                number = len(self.due)
                self._send(self._line(number).dialect.request(number), clock())
                users[number] = self.due[number]
                free = max(free + 1 / rate, clock() - 1.0) if rate else free
            every = len(users) == self.options.users
            self._receive(min(end, clock() + 0.01, end if every else free), first=every)

    def _line(self, number: int) -> Line:
        return self.lines[number % len(self.lines)]

    def _send(self, request: bytes, due: float) -> None:
        number, line = len(self.due), self._line(len(self.due))
        if line.socket is None:
            line.reopen(clock())
        moment = clock()
        taken = line.send(request)
        self.due.append(due)
        self.sent.append(moment if taken else 0.0)
        self.answered.append(0.0)
        self.answers.append(b"")
        self.tries.append(1 if taken else 0)
        if taken or self.options.retry:
            self._waiting.append((moment, number))
        self._again(moment)

    def _again(self, now: float) -> None:
        """Send again what was not answered in time, where that is wanted."""
        retry = self.options.retry
        while retry and self._waiting and self._waiting[0][0] + retry <= now:
            _, number = self._waiting.popleft()
            if self.answered[number] or now - self.due[number] > self.options.timeout:
                continue
            line = self._line(number)
            if line.socket is None:
                line.reopen(now)
            if line.send(line.dialect.request(number)):
                self.sent[number] = self.sent[number] or now
                self.tries[number] += 1
            self._waiting.append((now, number))

    def _receive(self, until: float, *, first: bool = False) -> None:
        """Take answers until a moment, or ``first`` until there are some; come back at once after it."""
        while True:
            since, got = clock(), False
            for line in self.lines:
                while messages := line.receive():
                    got, now = True, clock()
                    for each in messages:
                        self._note(line, each, now)
            left = until - clock()
            if left <= 0 or self.stopped or (first and got):
                return
            since = clock() if got else since
            if left > SPIN:
                self._sleep(left - SPIN)
            self.idle += clock() - since

    def _sleep(self, seconds: float) -> None:
        """Wait for an answer, or until a request has to be sent again."""
        if self.options.retry and self._waiting:
            seconds = min(seconds, max(0.0, self._waiting[0][0] + self.options.retry - clock()))
        select.select([line.socket for line in self.lines if line.socket is not None], [], [], seconds)
        self._again(clock())

    def _note(self, line: Line, answer: bytes, now: float) -> None:
        if line.dialect.reopens(answer):
            line.reopen(now)
            return
        number = line.dialect.number(answer)
        if number is None or not 0 <= number < len(self.due):
            self.strangers += number is not None
        elif not self.answered[number] and now - self.due[number] <= self.options.timeout:
            self.answered[number] = now
            self.answers[number] = answer
