"""Asks with a program that understands the words of ``dig``, and reads what it prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence

import attrs

from panther_protocol_dns.driving import Driver, Server
from panther_protocol_dns.questions import Question
from panther_protocol_dns.replies import Reply, normal

_HEADER = re.compile(r"^;; ->>HEADER<<- .*status: (\w+)", re.MULTILINE)
_FLAGS = re.compile(r"^;; flags: ([a-z ]*);", re.MULTILINE | re.IGNORECASE)
_SERVER = re.compile(r"^;; (?:SERVER:|From) .*\((UDP|TCP|TLS|QUIC)\b", re.MULTILINE)
_SECURE = re.compile(r"^;; (TLS|QUIC) session", re.MULTILINE)
_TRUNCATED = re.compile(r"^;; .*truncated", re.MULTILINE | re.IGNORECASE)
_SECTION = re.compile(r"^;; (ANSWER|AUTHORITY) SECTION:\n(.*?)(?:\n\n|\n;|\Z)", re.MULTILINE | re.DOTALL)
_RECORD = re.compile(r"^[^;\s]\S*\s+\d+\s+IN\s+\S+\s+.*$", re.MULTILINE)
_END = re.compile(r"^;; (?:MSG SIZE|From ).*$", re.MULTILINE)
_PATIENCE = 60.0


@attrs.frozen
class Digger(Driver):
    """Calls one of the programs."""

    program: str
    fixed: tuple[str, ...] = ()
    """Options that it always needs."""
    refuses_edns: str = ""
    """Option that keeps it from trying another version of EDNS."""

    def ask(self, server: Server, questions: Sequence[Question]) -> list[Reply]:
        """Ask all with one call."""
        argv = [self.program, f"@{server.host}", *self.options(server, questions[0])]
        argv += [word for each in questions for word in (each.name, each.type)]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[:300]
            raise RuntimeError(f"{self.program} ended with exit code {done.returncode}: {said}")
        if questions[0].type == "AXFR":
            return [transferred(done.stdout)]
        warned = bool(_TRUNCATED.search(done.stderr))
        replies = [reply_of(each, warned=warned) for each in messages(done.stdout)]
        if len(replies) != len(questions):
            raise RuntimeError(f"{self.program} printed {len(replies)} replies to {len(questions)} questions")
        return replies

    def options(self, server: Server, question: Question) -> list[str]:
        """Return the options for questions such as this one."""
        secure = question.transport in ("tls", "quic")
        words = ["-p", str(server.secure_port if secure else server.port), *self.fixed]
        words += ["+noedns"] if not question.size else [f"+bufsize={question.size}"]
        if question.edns:
            words += [f"+edns={question.edns}", *([self.refuses_edns] if self.refuses_edns else [])]
        if secure:
            words += [f"+tls-ca={server.certificate}", f"+tls-hostname={server.name}"]
        if question.transport != "udp":  # behind what belongs to TLS, because kdig would forget that it is QUIC
            words.append(f"+{question.transport}")
        return words


def messages(text: str) -> Iterator[str]:
    """Yield the part of each reply; remarks stand before its header, its statistics behind."""
    start = 0
    for end in _END.finditer(text):
        part = text[start : end.end()]
        start = end.end()
        if _HEADER.search(part):
            yield part


def reply_of(text: str, *, warned: bool = False) -> Reply:
    """Return what is printed about one reply; ``warned`` says that a truncated one was mentioned elsewhere."""
    header, flags, server = _HEADER.search(text), _FLAGS.search(text), _SECURE.search(text) or _SERVER.search(text)
    if header is None:
        raise ValueError("there is no header in what was printed")
    sections = {name: tuple(sorted(map(normal, _RECORD.findall(body)))) for name, body in _SECTION.findall(text)}
    transport = server[1].lower() if server else ""
    return Reply(
        rcode=header[1],
        flags=tuple(flags[1].split()) if flags else (),
        answers=sections.get("ANSWER", ()),
        authority=sections.get("AUTHORITY", ()),
        edns="PSEUDOSECTION" in text,
        transport=transport,
        truncated=bool(_TRUNCATED.search(text)) or (warned and transport == "tcp"),
    )


def transferred(text: str) -> Reply:
    """Return what is printed about a zone transfer: the SOA comes first and last, and counts once."""
    found = [normal(each) for each in _RECORD.findall(text)]
    ends = found and found[0] == found[-1] and " SOA " in found[0]
    if not ends:
        return Reply(rcode="FAILED", transport="tcp", answers=tuple(sorted(found)))
    return Reply(rcode="NOERROR", flags=("aa",), answers=tuple(sorted(found[1:])), transport="tcp", edns=True)
