"""Fetches a page several times over HTTP/1.1, compressed, each time on a new connection.

fetch.py HOST PORT TIMES
"""

from __future__ import annotations

import gzip
import http.client
import sys

PATIENCE = 60


def fetched(host: str, port: int) -> int:
    """Return the size of the page."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.request("GET", "/page.txt", headers={"Accept-Encoding": "gzip", "Connection": "close"})
    page = connection.getresponse().read()
    connection.close()
    return len(gzip.decompress(page))


if __name__ == "__main__":
    sizes = [fetched(sys.argv[1], int(sys.argv[2])) for _ in range(int(sys.argv[3]))]
    sys.stdout.write(f"fetched {len(sizes)} x {sizes[0]}\n")
