"""Parameters of the scenarios."""

from __future__ import annotations

from typing import Any

import attrs

from panther_hookspecs import Bytes, option

PROTOCOL = "quic"
ALPN = ("hq-interop", "h3")
VERSIONS = ("v1", "v2")
KB, MB = 1 << 10, 1 << 20
LARGEST = 1 << 30
MOST_FILES = 10_000
LONGEST_NAME = 250


@attrs.frozen(kw_only=True)
class QuicParameters:
    """What every scenario has."""

    alpn: str = option(
        "auto", prefer=ALPN, help="Application protocol: hq-interop (HTTP/0.9), h3 or auto, the first that all claim."
    )
    version: str = option("auto", prefer=VERSIONS, help="QUIC version: v1, v2 or auto, the first that all claim.")


def _sizes(_instance: Any, _field: Any, value: tuple[Bytes, ...]) -> None:
    if not value or not all(0 < size <= LARGEST for size in value):
        raise ValueError(f"expected at least one size of 1 to {LARGEST} bytes, got {list(value)}")


def _files(*sizes: int) -> Any:
    default = tuple(map(Bytes, sizes))
    return option(default, validator=_sizes, help="Sizes of the files that the client requests.")


def _count(default: int, least: int = 1) -> Any:
    within = [attrs.validators.ge(least), attrs.validators.le(MOST_FILES)]
    return option(default, validator=within, help="How many files the client requests.")


def _size(default: int) -> Any:
    within = [attrs.validators.ge(1), attrs.validators.le(LARGEST)]
    return option(Bytes(default), validator=within, help="Size of every file.")


@attrs.frozen(kw_only=True)
class Small(QuicParameters):
    """One file that fits into a packet."""

    files: tuple[Bytes, ...] = _files(KB)


@attrs.frozen(kw_only=True)
class Versioned(Small):
    """One small file, over version 2."""

    version: str = option("v2", prefer=("v2",), help="QUIC version: v2.")


@attrs.frozen(kw_only=True)
class First(Small):
    """One small file, over version 1."""

    version: str = option("v1", prefer=("v1",), help="QUIC version: v1, after an unknown one was refused.")


@attrs.frozen(kw_only=True)
class Transfer(QuicParameters):
    """Files whose sum exceeds the usual windows of flow control."""

    files: tuple[Bytes, ...] = _files(2 * MB, 3 * MB, 5 * MB)


@attrs.frozen(kw_only=True)
class Medium(QuicParameters):
    """A few megabytes."""

    files: tuple[Bytes, ...] = _files(3 * MB)


@attrs.frozen(kw_only=True)
class Moderate(QuicParameters):
    """Enough for a lossy link."""

    files: tuple[Bytes, ...] = _files(2 * MB)


@attrs.frozen(kw_only=True)
class Large(QuicParameters):
    """A transfer that takes a while."""

    files: tuple[Bytes, ...] = _files(10 * MB)


@attrs.frozen(kw_only=True)
class Larger(QuicParameters):
    """A transfer that takes longer."""

    files: tuple[Bytes, ...] = _files(25 * MB)


@attrs.frozen(kw_only=True)
class Kilobytes10(QuicParameters):
    """Ten kilobytes."""

    files: tuple[Bytes, ...] = _files(10 * KB)


@attrs.frozen(kw_only=True)
class Kilobytes100(QuicParameters):
    """A hundred kilobytes."""

    files: tuple[Bytes, ...] = _files(100 * KB)


@attrs.frozen(kw_only=True)
class Pair(QuicParameters):
    """Two small files; where there are two connections, one for each."""

    files: tuple[Bytes, ...] = _files(5 * KB, 10 * KB)


@attrs.frozen(kw_only=True)
class Http3(QuicParameters):
    """Three files over HTTP/3."""

    alpn: str = option("h3", prefer=("h3",), help="Application protocol: h3.")
    files: tuple[Bytes, ...] = _files(5 * KB, 10 * KB, 500 * KB)


@attrs.frozen(kw_only=True)
class Amplified(QuicParameters):
    """A small file, and a chain of certificates that exceeds what may be sent to an unvalidated address."""

    files: tuple[Bytes, ...] = _files(5 * KB)
    chain: int = option(
        9,
        validator=[attrs.validators.ge(2), attrs.validators.le(50)],
        help="Certificates that the server sends.",
    )


@attrs.frozen(kw_only=True)
class Streams(QuicParameters):
    """Many tiny files."""

    count: int = _count(1999)
    size: Bytes = _size(32)


@attrs.frozen(kw_only=True)
class Connections(QuicParameters):
    """Many connections, a small file in each."""

    count: int = _count(50)
    size: Bytes = _size(KB)


@attrs.frozen(kw_only=True)
class Early(QuicParameters):
    """Many requests with long names, which fill packets."""

    count: int = _count(40, least=2)
    size: Bytes = _size(32)
    name_length: int = option(
        LONGEST_NAME,
        validator=[attrs.validators.ge(8), attrs.validators.le(LONGEST_NAME)],
        help="Length of the files' names.",
    )
