"""Lets interfaces send packets as a network would carry them; a program of its own, to be run where the interfaces are.

``python -I -S bare.py INTERFACE ...`` switches off what would join packets, split them late, or leave their checksums
open.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
import sys

SIOCETHTOOL = 0x8946
FEATURES = (0x17, 0x1F, 0x24, 0x2C)
"""Checksums of what is sent, segmentation by the device, segmentation by the kernel, joining of what is received."""


def main(interfaces: list[str]) -> None:
    """Do it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for interface in interfaces:
            for feature in FEATURES:
                value = ctypes.create_string_buffer(struct.pack("=II", feature, 0))
                request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
                fcntl.ioctl(handle, SIOCETHTOOL, request)


if __name__ == "__main__":
    main(sys.argv[1:])
