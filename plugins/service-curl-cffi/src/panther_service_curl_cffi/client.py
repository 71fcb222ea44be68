"""A client that fetches files over HTTP/3 with curl_cffi."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from curl_cffi import AsyncSession, CurlHttpVersion, CurlOpt
from curl_cffi.requests.exceptions import RequestException

AT_ONCE = 50
"""libcurl makes another connection when a server allows fewer streams than it wants at once."""
HTTP3 = 30
"""What curl calls the version of a response that came over HTTP/3."""


class FetchError(Exception):
    """A file did not arrive as it was asked for."""


class Client:
    """Fetches everything that the command line lists."""

    def __init__(self, session: AsyncSession[Any], downloads: Path) -> None:
        """Remember where files go."""
        self.session = session
        self.downloads = downloads

    async def fetch(self, url: str) -> None:
        """Fetch a file."""
        found = await self.session.get(url)
        if found.status_code != 200 or found.http_version != HTTP3:  # noqa: PLR2004 - HTTP's own number
            raise FetchError(f"the server answered {found.status_code} over HTTP version {found.http_version}")
        (self.downloads / Path(urlsplit(url).path).name).write_bytes(found.content)

    async def all(self, urls: Sequence[str]) -> None:
        """Fetch files over one connection: the first makes it, the others go over it at once."""
        await self.fetch(urls[0])
        await asyncio.gather(*map(self.fetch, urls[1:]))


def session_of(ca: str) -> AsyncSession[Any]:
    """Return a session that speaks HTTP/3 only and lets requests wait for the connection that is being made."""
    return AsyncSession(
        http_version=CurlHttpVersion.V3ONLY,
        verify=ca,  # type: ignore[arg-type] # a path is understood, whatever its type says
        max_clients=AT_ONCE,
        timeout=(10, 600),
        curl_options={CurlOpt.PIPEWAIT: 1},
    )


async def run(args: argparse.Namespace) -> None:
    """Fetch everything."""
    async with session_of(args.ca) as session:
        await Client(session, Path(args.downloads)).all(args.urls)


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("--ca", required=True)
    found.add_argument("--downloads", required=True)
    found.add_argument("urls", nargs="+")
    return found


def main() -> int:
    """Fetch; say in one line what went wrong."""
    try:
        asyncio.run(run(parser().parse_args()))
    except (RequestException, FetchError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
