"""A client that is wrong on purpose: the reference client, which does not repeat the token of a Retry."""

from __future__ import annotations

import sys
from typing import Any

from aioquic.quic.connection import QuicConnection
from panther_service_aioquic import client


def forget_tokens() -> None:
    """Begin again after a Retry, but without its token."""
    receive = QuicConnection._receive_retry_packet

    def receive_and_forget(self: QuicConnection, *args: Any, **kwargs: Any) -> None:
        receive(self, *args, **kwargs)
        self._peer_token = b""

    QuicConnection._receive_retry_packet = receive_and_forget  # type: ignore[method-assign]


if __name__ == "__main__":
    forget_tokens()
    sys.exit(client.main())
