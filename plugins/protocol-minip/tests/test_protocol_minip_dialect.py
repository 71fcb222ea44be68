"""The dialect speaks the protocol as the implementations do."""

from __future__ import annotations

from panther_protocol_minip.dialect import Dialect
from panther_protocol_minip.digests import proof, stream


def _fields(message: bytes) -> dict[str, str]:
    return dict(word.split("=", 1) for word in message.partition(b"\n")[0].decode().split(" ")[2:])


def test_a_request_is_a_ping_with_the_body_of_its_nonce() -> None:
    dialect = Dialect(seed="3", size="40")
    request = dialect.request(6)
    fields, body = _fields(request), request.partition(b"\n")[2]
    assert fields["seq"] == "7"
    assert body == stream(fields["nonce"], 40)
    assert Dialect(seed="3", size="40").request(6) == request
    assert Dialect(seed="3", name="other", size="40").request(6) != request


def test_only_the_answer_that_proves_reading_is_right() -> None:
    dialect = Dialect()
    request = dialect.request(0)
    fields = _fields(request)
    digest = proof(fields["id"], fields["seq"], fields["nonce"], body=request.partition(b"\n")[2])
    head = f"seq=1 nonce={fields['nonce']} digest="
    right = dialect._message(b"PONG", f" {head}{digest}".encode())
    assert dialect.number(right) == 0
    assert dialect.right(0, right)
    assert not dialect.right(0, dialect._message(b"PONG", f" {head}{digest[::-1]}".encode()))
    assert not dialect.right(0, right.replace(b"PONG", b"PING"))
    assert dialect.number(b"MiniP/1 WELCOME id=x server=y crc=1\n") is None


def test_a_refused_session_is_opened_again() -> None:
    assert Dialect().reopens(b"MiniP/1 REFUSE id=1 reason=session crc=0\n")
    assert not Dialect().reopens(b"MiniP/1 REFUSE id=1 reason=malformed crc=0\n")


def test_what_chance_puts_into_a_message_makes_no_difference_to_a_reader() -> None:
    one, other = (Dialect(seed=seed).request(0) for seed in "12")
    assert Dialect().readable(one) == Dialect().readable(other) == "MiniP/1 PING seq=1 + 32 bytes"
    assert Dialect().readable(b"MiniP/1 PONG seq=1 extra=2 crc=3\n") == "MiniP/1 PONG seq=1 extra=2"
