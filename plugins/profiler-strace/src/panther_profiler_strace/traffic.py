"""What calls that read, write, send and receive moved: bytes and datagrams, by descriptor and by peer."""

from __future__ import annotations

import re

import attrs

from panther_profiler_strace.addresses import address_in, second_descriptor, target_of
from panther_profiler_strace.trace import DATAGRAM_KINDS, MOST_THINGS, OTHERS, Batches, Peer, Slot, Target, Trace

RECEIVING = frozenset(
    {"read", "pread64", "readv", "preadv", "preadv2", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64"}
)
SENDING = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "pwritev2", "send", "sendto", "sendmsg", "sendmmsg", "vmsplice"}
)
MOVING = frozenset({"splice", "tee", "copy_file_range"})
"""Calls from their first descriptor to the next one; ``sendfile`` has them the other way round."""
_BATCHES = frozenset({"sendmmsg", "recvmmsg", "recvmmsg_time64"})
_MESSAGE = re.compile(r"msg_hdr=\{(.*?)\}, msg_len=(\d+)\}", re.DOTALL)
_SEGMENT = re.compile(r"SOL_UDP, cmsg_type=(?:UDP_SEGMENT|0x67)\b[^,}]*(?:, cmsg_data=\[?(\d+))?")
_MERGED = re.compile(r"SOL_UDP, cmsg_type=(?:UDP_GRO|0x68)\b[^,}]*(?:, cmsg_data=\[?(\d+))?")


@attrs.define
class Traffic:
    """Adds up what goes through descriptors."""

    trace: Trace
    slot: Slot = attrs.field(factory=Slot)
    """The stretch of the timeline that the present call belongs to."""

    def target(self, description: str) -> Target:
        """Return the count of the thing that a descriptor stands for."""
        targets = self.trace.targets
        found = targets.get(description)
        if found is None:
            made = target_of(description)
            if len(targets) >= MOST_THINGS:
                made = Target(f"{made.kind} {OTHERS}", made.kind, remote=OTHERS)
            found = targets.setdefault(made.name, made)
        return found

    def peer(self, target: Target, address: str) -> Peer:
        """Return the count of the peer at the other end, ``?`` where the log does not show its address."""
        peers = self.trace.peers
        name = f"{target.kind} {address or target.remote or '?'}"
        found = peers.get(name)
        if found is None:
            key = name if len(peers) < MOST_THINGS else f"{target.kind} {OTHERS}"
            found = peers.setdefault(key, Peer(key, target.kind))
        return found

    def moved(self, name: str, target: Target, arguments: str, result: int, error: str) -> None:
        """Count one call that reads or writes; ``result`` means nothing where it failed."""
        sends = name in SENDING or name == "sendfile"
        if target.is_network:
            network = self.trace.network
            network.attempts += 1
            if error:
                network.would_block += error == "EAGAIN"
                if error != "EAGAIN":
                    self.peer(target, address_in(arguments)).errors += 1
            elif name in _BATCHES:
                self._batch(name, target, arguments, result, sends=sends)
            else:
                self._message(target, arguments, result, sends=sends)
        elif not error:
            amount = sum(int(size) for _, size in self._messages(arguments, result)) if name in _BATCHES else result
            self._add(target, amount, sends=sends)
        if not error and (name in MOVING or name == "sendfile"):
            self._other_end(arguments, result, sends=not sends)

    def _add(self, target: Target, amount: int, *, sends: bool) -> None:
        if sends:
            target.bytes_out += amount
        else:
            target.bytes_in += amount

    def _other_end(self, arguments: str, amount: int, *, sends: bool) -> None:
        description = second_descriptor(arguments)
        if description:
            other = self.target(description)
            if other.is_network:
                self._message(other, "", amount, sends=sends)
            else:
                self._add(other, amount, sends=sends)

    def _messages(self, arguments: str, count: int) -> list[tuple[str, str]]:
        return _MESSAGE.findall(arguments)[:count]

    def _batch(self, name: str, target: Target, arguments: str, count: int, *, sends: bool) -> None:
        self.trace.network.batches.setdefault(name, Batches()).add(count)
        for header, size in self._messages(arguments, count):
            self._message(target, header, int(size), sends=sends, call=False)
        peer = self.peer(target, address_in(arguments))
        if sends:
            peer.calls_out += 1
        else:
            peer.calls_in += 1

    def _message(self, target: Target, arguments: str, size: int, *, sends: bool, call: bool = True) -> None:
        """Count one message (a batch has several) to or from a peer."""
        self._add(target, size, sends=sends)
        peer = self.peer(target, address_in(arguments) if "{sa_family" in arguments else "")
        datagrams = self._datagrams(target, arguments, size, sends=sends) if target.kind in DATAGRAM_KINDS else 0
        if sends:
            peer.bytes_out += size
            peer.datagrams_out += datagrams
            peer.calls_out += call
            self.slot.bytes_out += size
        else:
            peer.bytes_in += size
            peer.datagrams_in += datagrams
            peer.calls_in += call
            self.slot.bytes_in += size

    def _datagrams(self, target: Target, arguments: str, size: int, *, sends: bool) -> int:
        """Return how many datagrams a message is: more than one where the kernel cuts or merges them."""
        network = self.trace.network
        match = (_SEGMENT if sends else _MERGED).search(arguments) if "SOL_UDP" in arguments else None
        segment = int(match[1] or target.segment) if match else target.segment if sends else 0
        if sends and (match or 0 < segment < size):
            network.segmented_sends += 1
            network.segmented_bytes += size
            network.uncounted_segments += segment == 0
        elif match:
            network.merged_receives += 1
        return max(1, -(-size // segment)) if segment else 1
