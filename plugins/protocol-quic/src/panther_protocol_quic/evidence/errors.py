"""Names of the codes with which connections are closed."""

from __future__ import annotations

_TRANSPORT = {
    0x0: "no error",
    0x1: "internal error",
    0x2: "connection refused",
    0x3: "flow control error",
    0x4: "stream limit error",
    0x5: "stream state error",
    0x6: "final size error",
    0x7: "frame encoding error",
    0x8: "transport parameter error",
    0x9: "connection id limit error",
    0xA: "protocol violation",
    0xB: "invalid token",
    0xC: "application error",
    0xD: "crypto buffer exceeded",
    0xE: "key update error",
    0xF: "aead limit reached",
    0x10: "no viable path",
    0x11: "version negotiation error",
}
_ALERTS = {
    10: "unexpected message",
    20: "bad record mac",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "certificate revoked",
    45: "certificate expired",
    46: "certificate unknown",
    47: "illegal parameter",
    48: "unknown authority",
    50: "decode error",
    51: "decrypt error",
    70: "protocol version",
    80: "internal error",
    109: "missing extension",
    110: "unsupported extension",
    112: "unrecognized name",
    116: "certificate required",
    120: "no application protocol",
}
_CRYPTO = 0x100
_APPLICATION = 0x1D
_NO_ERROR = frozenset({0, 0x100})
"""Codes of applications that mean a friendly end: of HTTP/0.9 and of HTTP/3."""


MASKED = (0x1C, 0x0C)
"""Kind and code of a close that hides what an application has to say until the handshake is over."""


def close_name(kind: int, code: int) -> str:
    """Return what a close says, in words."""
    if kind == _APPLICATION:
        return f"application error {code:#x}"
    if _CRYPTO <= code < 2 * _CRYPTO:
        return f"TLS alert {code - _CRYPTO} ({_ALERTS.get(code - _CRYPTO, 'unknown')})"
    return f"{_TRANSPORT.get(code, 'error')} ({code:#x})"


def is_friendly(kind: int, code: int) -> bool:
    """Whether a close means that all is well."""
    return code in _NO_ERROR if kind == _APPLICATION else code == 0
