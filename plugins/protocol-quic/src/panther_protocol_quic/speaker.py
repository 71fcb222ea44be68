"""Asks a QUIC server for files, on a schedule or as recorded, and notes what came of every request.

``python -I speaker.py load --connect IP --port N --rate 100 --duration 2`` or ``... replay --recording FILE``.
What it writes is what load generator and player write for protocols whose packets can be sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import hashlib
import json
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion

from panther_protocol_quic.asked import Request, Talk
from panther_protocol_quic.materials import RECORDED_SEED, documents

SILENCE = 0.25
"""Seconds without any answer to what was asked after which the connection is given up and another one is opened."""
OPENING = 10.0
TICK = 0.002
SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
UNUSABLE, SILENT, WRONG = 3, 5, 6


class Asker:
    """Asks, over one connection at a time."""

    def __init__(self, options: argparse.Namespace, settings: Mapping[str, str]) -> None:
        """Be ready to connect."""
        self.options, self.settings = options, settings
        self.requests: list[Request] = []
        self.heard = 0.0
        self._talk: Talk | None = None
        self._opening: asyncio.Task[None] | None = None
        self._keys = Path(options.dir, "keys.log").open("a", encoding="ascii")  # noqa: SIM115 - open until the end

    async def open(self) -> bool:
        """Open a connection; return whether there is one."""
        versions = {"v2": QuicProtocolVersion.VERSION_2}
        configuration = QuicConfiguration(
            alpn_protocols=[self.settings.get("alpn", "hq-interop")],
            server_name=self.options.connect,
            secrets_log_file=self._keys,
            supported_versions=[versions.get(self.settings.get("version", ""), QuicProtocolVersion.VERSION_1)],
            verify_mode=ssl.CERT_NONE,
        )
        transport, talk = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Talk(QuicConnection(configuration=configuration)), local_addr=(self.options.address, 0)
        )
        talk.connect((self.options.connect, self.options.port))
        try:
            await asyncio.wait_for(talk.ready.wait(), SILENCE * 2)
        except TimeoutError:
            talk.over = True
        if talk.over:
            transport.close()
            return False
        self._talk, self.heard = talk, time.monotonic()
        return True

    async def _reopen(self) -> None:
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        await self.open()

    def ask(self, request: Request) -> None:
        """Ask, where there is a connection; otherwise one is opened, and the request counts as not sent."""
        self.requests.append(request)
        waiting = [each for each in self.requests[-1000:] if each.sent and not each.answered]
        self.heard = max([self.heard, *(each.answered for each in self.requests[-100:])])
        silent = bool(waiting) and time.monotonic() - max(self.heard, waiting[0].sent) > SILENCE
        if self._talk is None or self._talk.over or silent:
            if self._opening is None or self._opening.done():
                self._opening = asyncio.create_task(self._reopen())
            return
        self._talk.ask(request, f"{self.options.connect}:{self.options.port}")

    async def until(self, moment: float) -> None:
        """Wait, and let answers come meanwhile."""
        await asyncio.sleep(max(0.0, moment - time.monotonic()))

    async def drained(self, seconds: float) -> None:
        """Wait for the answers that are still under way."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(each.sent and not each.answered for each in self.requests[-1000:]):
            await self.until(time.monotonic() + TICK)

    async def close(self) -> None:
        """Say goodbye."""
        if self._talk is not None and not self._talk.over:
            self._talk.close()
            await asyncio.sleep(0.01)


async def first_connection(asker: Asker) -> bool:
    """Connect, if need be again and again for a while."""
    end = time.monotonic() + OPENING
    while time.monotonic() < end:
        if await asker.open():
            return True
    return False


async def load(asker: Asker) -> int:
    """Ask at a rate, whatever the server does."""
    options = asker.options
    known = {
        f"/{each.name}": each.content(RECORDED_SEED) for each in documents(asked_for(asker.settings), RECORDED_SEED)
    }
    paths = list(known)
    for measured, seconds in ((False, options.warmup), (True, options.duration)):
        if measured:
            sys.stdout.write("measuring\n")
            sys.stdout.flush()
            asker.requests.clear()
        start = time.monotonic()
        for number in range(round(seconds * options.rate)):
            due = start + number / options.rate
            await asker.until(due)
            asker.ask(Request(paths[number % len(paths)], due))
    seconds = time.monotonic() - start
    await asker.drained(options.timeout)
    right = [each.body == known[each.path] for each in asker.requests]
    _write_load(asker, right, start, seconds)
    answered = sum(each.answered > 0 for each in asker.requests)
    return SILENT if not answered else WRONG if sum(right) < answered else 0


def asked_for(settings: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the parameters of the scenario that say which files there are."""
    return {"files": [int(float(each)) for each in settings["files"].split(",")]}


def _write_load(asker: Asker, right: Sequence[bool], start: float, seconds: float) -> None:
    folder, requests, zero = Path(asker.options.dir), asker.requests, time.time() - time.monotonic()
    with (folder / "requests.csv").open("w", encoding="ascii") as file:
        file.write("number,due,sent,answered,right,tries\n")
        for number, (each, good) in enumerate(zip(requests, right, strict=True)):
            moments = (f"{zero + at:.6f}" if at else "" for at in (each.due, each.sent, each.answered))
            file.write(f"{number},{','.join(moments)},{int(bool(each.answered) and good)},{int(each.sent > 0)}\n")
    kept = [each for each, is_right in zip(requests, right, strict=True) if each.answered and is_right]
    sent, answered = (sum(getattr(each, name) > 0 for each in requests) for name in ("sent", "answered"))
    never = [float("inf")] * (len(requests) - len(kept))
    found = {
        "v": 1,
        "mode": "open",
        "rate": asker.options.rate,
        "planned": len(requests),
        "sent": sent,
        "unsent": len(requests) - sent,
        "answered": answered,
        "wrong": answered - len(kept),
        "lost": sent - answered,
        "again": 0,
        "started": zero + start,
        "seconds": seconds,
        "throughput": len(kept) / seconds if seconds else 0.0,
        "busy": min(1.0, time.process_time() / max(seconds + asker.options.warmup, 1e-9)),
        "start_error": _percentiles([each.sent - each.due for each in requests if each.sent]),
        "latency": _percentiles([*(each.answered - each.due for each in kept), *never]),
        "service_time": _percentiles([each.answered - each.sent for each in kept]),
    }
    _write_json(folder / "load.json", found)


def _percentiles(values: list[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    picked = {
        name: ordered[min(len(ordered) - 1, int(s * len(ordered)))] if ordered else None for name, s in SHARES.items()
    }
    return {name: None if value == float("inf") else value for name, value in picked.items()}


async def replay(asker: Asker) -> int:
    """Ask what was asked in a recording, and compare what is answered."""
    options = asker.options
    turns = recorded(Path(options.recording))
    start = time.monotonic()
    for moment, path, _ in turns:
        due = start + moment / options.speed if options.timing == "original" else time.monotonic()
        await asker.until(due)
        asker.ask(Request(path, due))
        if options.timing == "none":
            await asker.drained(options.patience)
    await asker.drained(options.patience)
    expected = [answer for *_, answer in turns]
    got = [each.answer for each in asker.requests]
    differences = [{"expected": old, "got": new} for old, new in zip(expected, got, strict=True) if old != new]
    asked = "\n".join(each.path for each in asker.requests)
    found = {
        "v": 1,
        "side": "client",
        "sent": sum(each.sent > 0 for each in asker.requests),
        "stimuli": hashlib.sha256(asked.encode()).hexdigest(),
        "expected": sum(map(bool, expected)),
        "got": sum(map(bool, got)),
        "differences": differences,
    }
    _write_json(Path(options.dir, "replay.json"), found)
    return 0


def _write_json(path: Path, found: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def recorded(path: Path) -> list[tuple[float, str, str]]:
    """Return time, path and answer of every request of a recording."""
    turns: list[tuple[float, str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:-1]:
        each = json.loads(line)
        text = base64.b64decode(each["data"]).decode()
        if each["from"] == "client":
            turns.append((each["t"], text.removeprefix("GET "), ""))
        else:
            asked = text.partition(": ")[0]
            at = next(n for n, (_, path, answer) in enumerate(turns) if path == asked and not answer)
            turns[at] = (*turns[at][:2], text)
    return turns


def write_messages(asker: Asker, path: Path) -> None:
    """Write what was asked and answered as a recording, which can be replayed."""
    said = [(each.sent, "client", f"GET {each.path}") for each in asker.requests if each.sent]
    said += [(each.answered, "server", each.answer) for each in asker.requests if each.answered]
    said.sort()
    zero = said[0][0] if said else 0.0
    lines: list[Mapping[str, Any]] = [{"v": 1, "protocol": "quic", "transport": "requests"}]
    for moment, side, text in said:
        data = base64.b64encode(text.encode()).decode()
        lines.append({"t": round(moment - zero, 6), "from": side, "data": data})
    lines.append({"end": len(said)})
    path.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="ascii")


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("load", "replay"))
    parser.add_argument("--connect", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", default="0.0.0.0", help="own address")  # noqa: S104 - to send from
    parser.add_argument("--dir", default=".")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--duration", type=float, default=1.0)
    parser.add_argument("--warmup", type=float, default=0.0)
    parser.add_argument("--timeout", type=float, default=1.0)
    parser.add_argument("--recording", default="")
    parser.add_argument("--timing", default="original", choices=("original", "none"))
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--patience", type=float, default=1.0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_known_args()[0]  # what only a dialect needs is not for this program


async def work(options: argparse.Namespace) -> int:
    """Do what the command line says."""
    asker = Asker(options, dict(each.split("=", 1) for each in options.set))
    if not await first_connection(asker):
        sys.stdout.write(f"no answer from {options.connect} port {options.port}\n")
        return SILENT
    code = await (load if options.work == "load" else replay)(asker)
    await asker.close()
    write_messages(asker, Path(options.dir, "messages.jsonl"))
    return code


if __name__ == "__main__":
    gc.disable()
    sys.exit(asyncio.run(work(arguments())))
