"""A client on dnspython."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
from panther_protocol_dns.driving import Driver, Server, main
from panther_protocol_dns.questions import Question
from panther_protocol_dns.replies import Reply, normal

_PATIENCE = 10.0


class DnsPython(Driver):
    """Uses the library."""

    def ask(self, server: Server, questions: Sequence[Question]) -> list[Reply]:
        """Ask one after the other."""
        try:
            return [self._reply(server, each) for each in questions]
        except dns.exception.DNSException as error:
            raise RuntimeError(f"{type(error).__name__}: {error}") from error

    def _reply(self, server: Server, question: Question) -> Reply:
        return self._transfer(server, question) if question.type == "AXFR" else self._ask(server, question)

    def _ask(self, server: Server, question: Question) -> Reply:
        query = dns.message.make_query(question.name, question.type)
        query.flags &= ~dns.flags.RD
        if question.size:
            query.use_edns(question.edns, payload=question.size)
        if question.transport == "udp":
            reply, over_tcp = dns.query.udp_with_fallback(query, server.host, _PATIENCE, server.port)
            return _told(reply, "tcp" if over_tcp else "udp", truncated=over_tcp)
        return _told(self._send(query, server, question.transport), question.transport)

    def _send(self, query: dns.message.Message, server: Server, transport: str) -> dns.message.Message:
        if transport == "tcp":
            return dns.query.tcp(query, server.host, _PATIENCE, server.port)
        if transport == "tls":
            context = ssl.create_default_context(cafile=str(server.certificate))
            return dns.query.tls(
                query, server.host, _PATIENCE, server.secure_port, ssl_context=context, server_hostname=server.name
            )
        return dns.query.quic(
            query,
            server.host,
            _PATIENCE,
            server.secure_port,
            verify=str(server.certificate),
            server_hostname=server.name,
        )

    def _transfer(self, server: Server, question: Question) -> Reply:
        zone = dns.zone.Zone(question.name, relativize=False)
        dns.query.inbound_xfr(server.host, zone, port=server.port, timeout=_PATIENCE)
        found = [
            f"{name} {ttl} IN {dns.rdatatype.to_text(data.rdtype)} {data}" for name, ttl, data in zone.iterate_rdatas()
        ]
        answers = tuple(sorted(map(normal, found)))
        return Reply(rcode="NOERROR", flags=("aa",), answers=answers, edns=True, transport="tcp")


def _lines(section: Sequence[dns.rrset.RRset]) -> tuple[str, ...]:
    return tuple(sorted(normal(line) for each in section for line in each.to_text().splitlines()))


def _told(reply: dns.message.Message, transport: str, *, truncated: bool = False) -> Reply:
    return Reply(
        rcode="BADVERS" if reply.rcode() == dns.rcode.BADVERS else dns.rcode.to_text(reply.rcode()),
        flags=tuple(dns.flags.to_text(reply.flags).lower().split()),
        answers=_lines(reply.answer),
        authority=_lines(reply.authority),
        edns=reply.edns >= 0,
        transport=transport,
        truncated=truncated,
    )


if __name__ == "__main__":
    sys.exit(main(DnsPython()))
