"""Records the packets of some interfaces into a pcapng file.

Run as ``python -I -S recorder.py [--own=IP/PORT ...] [--other=IP/PORT ...] LIMIT SNAPLEN FILE INTERFACE ...`` in the
namespace that has the interfaces. With places only packets from or to one of them are kept, each once: on loopback
every packet is seen when it is sent and when it arrives. One byte is written to the standard output once packets are
recorded. On SIGTERM everything that has arrived is written, with the number of packets that were not kept. The file
stops growing at LIMIT bytes.

Packets come through a ring of memory that is shared with the kernel: it takes no call for each of them, none is lost
in a burst, and the time is the kernel's own, in nanoseconds.
"""

# ruff: noqa: PTH123
# Two recorders are started for each case, so their start-up is most of what evidence costs: pathlib, typing, contextlib
# and what socket and signal put around the modules of the same name would take twice as long as everything else.

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # no stubs: the types of signal would come with its imports
import _socket
import array
import mmap
import select
import struct
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

SOL_PACKET, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION, TPACKET_V3 = 263, 5, 6, 10, 2
PACKET_VNET_HDR = 15
ETH_P_ALL = 3
BLOCK, BLOCKS, FRAME, RETIRE_MS = 1 << 18, 32, 1 << 11, 10
STATUS, COUNT = 8, 12
"""Where a block of the ring has its state, and its number of packets, which the offset of the first one follows."""
HEADER, PACKET_TYPE = struct.Struct("=IIIIIIH"), 48 + 10
"""Next offset, seconds, nanoseconds, length kept, length on the wire, status, offset of the frame."""
OUTGOING = 4
OFFLOADED, DATAGRAMS = struct.Struct("=BBHHHH"), 5
"""What stands before a frame: whether its checksum is still to be filled in, what kind of bundle it is, the length of
its headers and of each packet in it, where the checksum begins and where it is; and the kind for UDP."""
INSTRUCTION, IP4_PLACE, SO_ATTACH_FILTER, PACKET_TYPE_OF = struct.Struct("=HBBI"), 6, 26, 0xFFFFF004
"""One step of a program for the kernel to choose packets by, and where such a program finds the type of one."""
LEAVE_OUT = INSTRUCTION.pack(6, 0, 0, 0)
ENHANCED = struct.Struct("=IIIIIII")
FLAGS = {False: struct.pack("=HHIHH", 2, 4, 1, 0, 0), True: struct.pack("=HHIHH", 2, 4, 2, 0, 0)}
"""The option that says whether a packet came in or went out, by whether it went out."""


def block_of(kind: int, body: bytes) -> bytes:
    """Return a block of the file format."""
    length = struct.pack("=I", len(body) + 12)
    return struct.pack("=I", kind) + length + body + length


def option(code: int, value: bytes) -> bytes:
    """Return one option of a block."""
    return struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4)


class Target:
    """The file, with a limit."""

    def __init__(self, path: str, limit: int) -> None:
        """Begin it."""
        self.file: BinaryIO = open(path, "wb")  # noqa: SIM115 - open until the end
        self.limit, self.size = limit, 0
        self.write(block_of(0x0A0D0D0A, struct.pack("=IHHq", 0x1A2B3C4D, 1, 0, -1)))

    def write(self, data: bytes) -> None:
        """Write one block."""
        self.file.write(data)
        self.size += len(data)


class Places:
    """The addresses and ports that a recording is about, as they stand in packets."""

    def __init__(self, words: list[str]) -> None:
        """Read them from the command line."""
        self.own = {packed(each.removeprefix("--own=")) for each in words if each.startswith("--own=")}
        self.all = self.own | {packed(each.removeprefix("--other=")) for each in words if each.startswith("--other=")}

    def direction(self, frame: bytes) -> bool | None:
        """Return whether a frame is outgoing, None if it is about other places."""
        if frame[12:14] == b"\x08\x00":
            addresses, ports = (frame[26:30], frame[30:34]), 14 + (frame[14] & 15) * 4
        elif frame[12:14] == b"\x86\xdd":
            addresses, ports = (frame[22:38], frame[38:54]), 54
        else:
            return None
        source = addresses[0] + frame[ports : ports + 2]
        target = addresses[1] + frame[ports + 2 : ports + 4]
        if source in self.all:
            return source in self.own
        return target not in self.own if target in self.all else None

    def filter(self) -> bytes:
        """Return the program by which the kernel leaves out what cannot be meant, before it costs anybody time.

        Kept are packets that are sent, each of which arrives here once more, to and from the addresses; of other
        families all. A machine's loopback carries much that has nothing to do with a recording.
        """
        addresses = [int.from_bytes(each[:-2], "big") for each in self.all if len(each) == IP4_PLACE]
        word, half, equal = 0x20, 0x28, 0x15
        keep = INSTRUCTION.pack(6, 0, 0, 0xFFFFFFFF)
        program = INSTRUCTION.pack(word, 0, 0, PACKET_TYPE_OF) + INSTRUCTION.pack(equal, 1, 0, OUTGOING) + LEAVE_OUT
        program += INSTRUCTION.pack(half, 0, 0, 12) + INSTRUCTION.pack(equal, 1, 0, 0x0800) + keep
        for at in (26, 30):
            program += INSTRUCTION.pack(word, 0, 0, at)
            program += b"".join(INSTRUCTION.pack(equal, 0, 1, each) + keep for each in addresses)
        return program + LEAVE_OUT


def packed(place: str) -> bytes:
    """Return ``IP/PORT`` as it stands in a packet."""
    address, _, port = place.rpartition("/")
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    return _socket.inet_pton(family, address) + int(port).to_bytes(2, "big")


def summed(data: bytes) -> int:
    """Return the checksum of IP over ``data``."""
    return 0xFFFF - int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF


def filled(frame: bytes, start: int, field: int) -> bytes:
    """Return a frame with the checksum that the interface would have filled in: what it covers begins at ``start``."""
    return frame[:field] + (summed(frame[start:]) or 0xFFFF).to_bytes(2, "big") + frame[field + 2 :]


def apart(frame: bytes, start: int, size: int) -> Iterator[bytes]:
    """Yield the packets that a bundle of UDP datagrams stands for, as a network would carry them."""
    head, data, six = frame[: start + 8], frame[start + 8 :], frame[12:14] == b"\x86\xdd"
    addresses = head[22:54] if six else head[26:34]
    for number, at in enumerate(range(0, len(data), size)):
        inside = bytearray(head[start:] + data[at : at + size])
        inside[4:8] = len(inside).to_bytes(2, "big") + bytes(2)
        covered = addresses + len(inside).to_bytes(4, "big") + (17).to_bytes(4, "big") + inside
        inside[6:8] = (summed(covered) or 0xFFFF).to_bytes(2, "big")
        outside = bytearray(head[:start])
        if six:
            outside[18:20] = (start - 54 + len(inside)).to_bytes(2, "big")
        else:
            outside[16:18] = (start - 14 + len(inside)).to_bytes(2, "big")
            outside[18:20] = ((int.from_bytes(head[18:20], "big") + number) & 0xFFFF).to_bytes(2, "big")
            outside[24:26] = bytes(2)
            outside[24:26] = summed(bytes(outside[14:start])).to_bytes(2, "big")
        yield bytes(outside + inside)


class Recording:
    """One interface."""

    def __init__(self, interface: str, number: int, target: Target, snaplen: int, places: Places) -> None:
        """Begin to record; from here on no packet is missed."""
        self.number, self.target, self.snaplen, self.places = number, target, snaplen, places
        self.next = self.dropped = self.received = 0
        described = option(2, interface.encode()) + option(9, b"\x09") + option(0, b"")
        target.write(block_of(1, struct.pack("=HHI", 1, 0, snaplen) + described))
        self.socket = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        ring = struct.pack("=7I", BLOCK, BLOCKS, FRAME, BLOCK // FRAME * BLOCKS, RETIRE_MS, 0, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_RX_RING, ring)
        if places.all:
            program = array.array("B", places.filter())
            told = struct.pack("HP", len(program) // INSTRUCTION.size, program.buffer_info()[0])
            self.socket.setsockopt(_socket.SOL_SOCKET, SO_ATTACH_FILTER, told)
        self.ring = mmap.mmap(self.socket.fileno(), BLOCK * BLOCKS)
        self.socket.bind((interface, ETH_P_ALL))

    def take(self) -> None:
        """Write the packets of every block that the kernel has finished, and give the blocks back."""
        while True:
            at = self.next * BLOCK
            if not self.ring[at + STATUS] & 1:
                return
            number, first = struct.unpack_from("=II", self.ring, at + COUNT)
            self.packets(at + first, number)
            struct.pack_into("=I", self.ring, at + STATUS, 0)
            self.next = (self.next + 1) % BLOCKS

    def packets(self, at: int, number: int) -> None:
        """Write the packets of one block."""
        ring = self.ring
        for _ in range(number):
            following, seconds, nanoseconds, kept, length, _status, offset = HEADER.unpack_from(ring, at)
            outgoing = ring[at + PACKET_TYPE] == OUTGOING
            frame = ring[at + offset : at + offset + kept]
            checks, bundle, _, size, start, field = OFFLOADED.unpack_from(ring, at + offset - OFFLOADED.size)
            at += following
            if self.places.all:
                direction = self.places.direction(frame)
                if direction is None:
                    continue
                outgoing = direction
            moment = seconds * 1_000_000_000 + nanoseconds
            if bundle == DATAGRAMS and kept == length:
                for each in apart(frame, start, size):
                    self.keep(each, len(each), moment, outgoing=outgoing)
            else:
                whole = checks & 1 and not bundle and kept == length
                self.keep(filled(frame, start, start + field) if whole else frame, length, moment, outgoing=outgoing)

    def keep(self, frame: bytes, length: int, moment: int, *, outgoing: bool) -> None:
        """Write a packet, unless the file is full."""
        self.received += 1
        frame = frame[: self.snaplen]
        kept = len(frame)
        total = 28 + kept + -kept % 4 + 12 + 4
        if self.target.size + total > self.target.limit:
            self.dropped += 1
        else:
            self.target.write(
                ENHANCED.pack(6, total, self.number, moment >> 32, moment & 0xFFFFFFFF, kept, length)
                + frame
                + bytes(-kept % 4)
                + FLAGS[outgoing]
                + struct.pack("=I", total)
            )

    def close(self) -> None:
        """Write what is left and the number of packets that are not in the file."""
        self.take()
        _, missed, _ = struct.unpack("=III", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        now = time.time_ns()
        counts = option(4, struct.pack("=Q", self.received + missed)) + option(5, struct.pack("=Q", missed))
        counts += option(7, struct.pack("=Q", self.dropped)) + option(0, b"")
        self.target.write(block_of(5, struct.pack("=III", self.number, now >> 32, now & 0xFFFFFFFF) + counts))


class Ended(Exception):  # noqa: N818 - not an error
    """The recorder was asked to end."""


def end(_number: int, _frame: object) -> None:
    """Handle SIGTERM, once."""
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
    raise Ended


def main() -> None:
    """Record until SIGTERM."""
    words = [each for each in sys.argv[1:] if each.startswith("--")]
    limit, snaplen, path, *interfaces = sys.argv[1 + len(words) :]
    target, places = Target(path, int(limit)), Places(words)
    recordings = [Recording(name, number, target, int(snaplen), places) for number, name in enumerate(interfaces)]
    poll = select.poll()
    for each in recordings:
        poll.register(each.socket, select.POLLIN)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGTERM])
    _signal.signal(_signal.SIGTERM, end)
    sys.stdout.write(".")
    sys.stdout.flush()
    try:
        while True:
            # Only here may the end come, so that no block of the ring is written in part or twice.
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGTERM])
            poll.poll()
            _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGTERM])
            for each in recordings:
                each.take()
    except Ended:
        pass
    time.sleep(3 * RETIRE_MS / 1000)
    for each in recordings:
        each.close()
    target.file.close()


if __name__ == "__main__":
    main()
