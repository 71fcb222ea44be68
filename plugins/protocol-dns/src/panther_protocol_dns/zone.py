"""The zone that servers serve: it follows from the seed, so that nobody can answer who has not loaded it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import attrs

from panther_protocol_dns import dialect

ORIGIN = dialect.ORIGIN
SERVER_NAME = f"ns.{ORIGIN}"
"""The name in the server's certificate."""
SOA = f"{SERVER_NAME} admin.{ORIGIN} 1 3600 600 86400 300"
_TTL = 300
_RECORDED = ("load", "replay")
"""Scenarios whose questions may come from a recording of another case: their zone is always the same."""
_BIG = 12
_LONGEST_STRING = 240


@attrs.frozen(order=True)
class Record:
    """One resource record, in the words of zone files."""

    name: str
    type: str
    data: str
    ttl: int = _TTL

    @property
    def text(self) -> str:
        """The record as a line."""
        return f"{self.name} {self.ttl} IN {self.type} {self.data}"


def _digits(seed: int, *words: object) -> str:
    return hashlib.sha256(" ".join(map(str, (seed, *words))).encode()).hexdigest()


def _ip4(seed: int, *words: object) -> str:
    numbers = bytes.fromhex(_digits(seed, "ip4", *words)[:6])
    return f"10.{numbers[0]}.{numbers[1]}.{numbers[2]}"


def _ip6(seed: int, *words: object) -> str:
    digits = _digits(seed, "ip6", *words)
    groups = [f"{int(digits[at : at + 3], 16) + 0x1000:x}" for at in range(0, 18, 3)]
    return f"fd00:{':'.join(groups)}:1"


def seed_of(scenario: str, seed: int) -> int:
    """Return the seed that the zone of a scenario follows from."""
    return dialect.RECORDED_SEED if scenario in _RECORDED else seed


def host(number: int) -> str:
    """Return the name of one of the many hosts."""
    return f"host-{number}.{ORIGIN}"


def records(seed: int, hosts: int = 0) -> tuple[Record, ...]:
    """Return the whole zone, the SOA first."""
    return tuple(_records(seed, hosts))


def _records(seed: int, hosts: int) -> Iterator[Record]:
    yield Record(ORIGIN, "SOA", SOA)
    yield Record(ORIGIN, "NS", SERVER_NAME)
    yield Record(ORIGIN, "MX", f"10 mail.{ORIGIN}")
    yield Record(ORIGIN, "MX", f"20 backup.{ORIGIN}")
    for name in ("ns", "mail", "backup", "www", "*.wild"):
        yield Record(f"{name}.{ORIGIN}", "A", _ip4(seed, name))
    yield Record(f"www.{ORIGIN}", "A", _ip4(seed, "www", 2))
    for number in (1, 2):
        yield Record(f"www.{ORIGIN}", "AAAA", _ip6(seed, "www", number))
    yield Record(f"alias.{ORIGIN}", "CNAME", f"www.{ORIGIN}")
    yield Record(f"text.{ORIGIN}", "TXT", f'"v=panther {_digits(seed, "text")}" "a second string"')
    for number in range(_BIG):
        long = "".join(_digits(seed, "big", number, part) for part in range(4))
        yield Record(f"big.{ORIGIN}", "TXT", f'"{long[:_LONGEST_STRING]}"')
    for number in range(1, hosts + 1):
        yield Record(host(number), "A", _ip4(seed, "host", number))


def zone_file(seed: int, hosts: int = 0) -> bytes:
    """Return the zone as a file."""
    return "".join(f"{each.text}\n" for each in records(seed, hosts)).encode()
