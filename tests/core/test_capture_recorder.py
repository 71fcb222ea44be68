"""The recorder on loopback: only what was meant, each packet once, and as a network would carry it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from panther_core.capture import recorder
from panther_hookspecs import RecordedPlace, Recording

UDP_SEGMENT = 103
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark"),
]


def bound(address: str, port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    return made


@pytest.mark.parametrize("address", ["127.9.9.1", "::1"])
def test_bundles_are_taken_apart_and_checksums_are_filled_in(tmp_path: Path, address: str) -> None:
    file = tmp_path / "lo.pcapng"
    with contextlib.ExitStack() as stack:
        server, client, stranger = (stack.enter_context(bound(address)) for _ in range(3))
        place = RecordedPlace(ip=address, port=server.getsockname()[1])
        argv = recorder(Recording(file=file, interfaces=("lo",), places=(place,)))
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        stack.enter_context(process)
        assert process.stdout is not None
        assert process.stdout.read(1)
        for sender in (client, server):
            target = server if sender is client else client
            sender.sendto(b"odd", target.getsockname())
        stranger.sendto(b"to somebody else", client.getsockname())
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        client.sendto(bytes(range(250)) * 18, server.getsockname())
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    fields = ("udp.length", "udp.checksum.status", "ip.checksum.status", "frame.packet_flags_direction")
    wanted = [word for each in fields for word in ("-e", each)]
    command = ["tshark", "-n", "-r", str(file), "-T", "fields", *wanted]
    checking = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    told = subprocess.run([*command, *checking], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in told]
    assert [int(each[0]) - 8 for each in rows] == [3, 3, 1000, 1000, 1000, 1000, 500]
    assert {each[1] for each in rows} == {"1"}, "every checksum is good"
    assert {each[2] for each in rows} <= {"1", ""}
    assert [int(each[3], 0) for each in rows] == [1, 2, 1, 1, 1, 1, 1], "in and out as the server sees it"
