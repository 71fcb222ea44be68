"""What calls are made on, as strace writes it: descriptors (``-yy``), socket addresses, paths."""

from __future__ import annotations

import re

from panther_profiler_strace.trace import Target

_SOCKET = re.compile(r"([A-Za-z][\w-]*?)(?:v6)?:\[(.*)\]\Z", re.DOTALL)
_ADDRESS = re.compile(
    r"\{sa_family=AF_(?:"
    r'INET, sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)'
    r'|INET6, sin6_port=htons\((\d+)\),.*?inet_pton\(AF_INET6, "([^"]+)"'
    r'|UNIX, sun_path=(@?"(?:[^"\\]|\\.)*"))'
)
_PATH = re.compile(r'(?:AT_FDCWD<(.*?)>, |, )?"((?:[^"\\]|\\.)*)"')
_DESCRIPTOR = re.compile(r"\d+<(.*?)>(?=[,)\]])")


def target_of(description: str) -> Target:
    """Return a new, empty count for what a descriptor stands for, from its description in the log."""
    match = _SOCKET.match(description)
    if match is None:
        return Target(description, "file" if description.startswith("/") else "other")
    kind, inside = match[1], match[2]
    if not kind[0].isupper():
        return Target(description, "socket" if kind == "socket" else "other")
    local, _, remote = inside.partition("->")
    known = not local.isdigit()
    return Target(description, kind, local=local if known else "", remote=remote if known else "")


def address_in(arguments: str) -> str:
    """Return the first socket address in the arguments of a call as ``ip:port``, or nothing."""
    match = _ADDRESS.search(arguments)
    if match is None:
        return ""
    if match[2]:
        return f"{match[2]}:{match[1]}"
    return f"[{match[4]}]:{match[3]}" if match[4] else match[5]


def second_descriptor(arguments: str) -> str:
    """Return the description of the next descriptor after the first argument, or nothing."""
    match = _DESCRIPTOR.search(arguments)
    return match[1] if match else ""


def path_in(arguments: str, folder: Target | None) -> str:
    """Return the path that a call names, made absolute where the log shows the folder it is relative to."""
    match = _PATH.match(arguments)
    if match is None or not match[2]:
        return ""
    base = folder.name if folder is not None else match[1]
    return match[2] if match[2].startswith("/") or not base else f"{base.rstrip('/')}/{match[2]}"
