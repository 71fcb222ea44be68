"""A broker that goes wrong on purpose: a real one behind a relay that tampers with what it delivers.

It runs in the service's folder, as the path of a socket must be short.

``tampering_broker.py FOLDER ADDRESS PORT HOW``, where HOW is one of the names in ``TAMPER``.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from panther_protocol_mqtt.letters import END
from panther_protocol_mqtt.recording import NAME, Recorder

CONNECT, PUBLISH = 1, 3
LEVELS = {4: "3.1.1", 5: "5"}
THIRD, FOURTH = 3, 4
CHANGED = b"X"


def lose(frames: list[bytes], frame: bytes) -> list[bytes]:
    """Deliver all but the third message."""
    return [] if len(frames) == THIRD else [frame]


def change(frames: list[bytes], frame: bytes) -> list[bytes]:
    """Change the last byte of the third message."""
    return [frame[:-1] + CHANGED] if len(frames) == THIRD else [frame]


def swap(frames: list[bytes], frame: bytes) -> list[bytes]:
    """Deliver the third message after the fourth."""
    return [] if len(frames) == THIRD else [frame, frames[-2]] if len(frames) == FOURTH else [frame]


def repeat(frames: list[bytes], frame: bytes) -> list[bytes]:
    """Deliver the third message twice."""
    return [frame, frame] if len(frames) == THIRD else [frame]


def nothing(_frames: list[bytes], frame: bytes) -> list[bytes]:
    """Tamper with nothing."""
    return [frame]


TAMPER: dict[str, Callable[[list[bytes], bytes], list[bytes]]] = {
    each.__name__: each for each in (nothing, lose, change, swap, repeat)
}


async def frame_of(reader: asyncio.StreamReader) -> bytes:
    """Return the next packet."""
    head = await reader.readexactly(1)
    length = 0
    for shift in range(0, 28, 7):
        byte = await reader.readexactly(1)
        head += byte
        length |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            break
    return head + await reader.readexactly(length)


async def relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, each: Callable[[bytes], Iterator[bytes]]
) -> None:
    """Pass packets on until one side has enough."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            for frame in each(await frame_of(reader)):
                writer.write(frame)
            await writer.drain()
    writer.close()


async def main(folder: Path, address: str, port: int, how: str) -> None:
    """Serve until a signal comes."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = folder / "real.conf"
    config.write_text("listener 0 real.sock\nallow_anonymous true\nuser root\n")
    real = await asyncio.create_subprocess_exec("mosquitto", "-c", str(config), stderr=asyncio.subprocess.PIPE)
    while real.stderr and b" running" not in await real.stderr.readline():
        pass
    recorder = Recorder((folder / NAME).open("w"))
    messages: list[bytes] = []

    def to_broker(frame: bytes) -> Iterator[bytes]:
        if frame[0] >> 4 == CONNECT:
            body = frame[2:]
            length = (
                int.from_bytes(body[10:12]) if body[6] == 4 else int.from_bytes(body[11 + body[10] : 13 + body[10]])
            )
            start = 12 if body[6] == 4 else 13 + body[10]
            recorder.note("connected", client=body[start : start + length].decode(), version=LEVELS[body[6]])
        yield frame

    def to_client(frame: bytes) -> Iterator[bytes]:
        if frame[0] >> 4 != PUBLISH or END.encode() in frame:
            yield frame
            return
        messages.append(frame)
        yield from TAMPER[how](messages, frame)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near, far = await asyncio.open_unix_connection("real.sock")
        await asyncio.gather(relay(reader, far, to_broker), relay(near, writer, to_client))

    server = await asyncio.start_server(serve, address, port)
    await stop.wait()
    server.close()
    real.terminate()
    await real.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
