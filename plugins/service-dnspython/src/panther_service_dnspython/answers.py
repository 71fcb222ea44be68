"""Answers of an authoritative server, as dnspython finds them in a zone."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.renderer
import dns.rrset
import dns.zone

_LARGEST = 65535
_PAYLOAD = 1232
_WITHOUT_EDNS = 512
_PER_MESSAGE = 100


@attrs.frozen
class Zone:
    """A zone, and how it answers."""

    zone: dns.zone.Zone
    origin: dns.name.Name

    @classmethod
    def load(cls, text: str, origin: str) -> Zone:
        """Read a zone file."""
        return cls(dns.zone.from_text(text, origin, relativize=False, check_origin=True), dns.name.from_text(origin))

    def reply(self, query: dns.message.Message) -> dns.message.Message:
        """Return the whole reply to a query."""
        reply = dns.message.make_response(query, our_payload=_PAYLOAD)
        if query.edns > 0:
            reply.use_edns(0, payload=_PAYLOAD)
            reply.set_rcode(dns.rcode.BADVERS)
        elif query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            reply.set_rcode(dns.rcode.NOTIMP)
        elif not query.question[0].name.is_subdomain(self.origin):
            reply.set_rcode(dns.rcode.REFUSED)
        else:
            self._answer(reply, query.question[0].name, query.question[0].rdtype)
        return reply

    def _answer(self, reply: dns.message.Message, name: dns.name.Name, type_: dns.rdatatype.RdataType) -> None:
        reply.flags |= dns.flags.AA
        source = self._source(name)
        if source is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            reply.answer += list(self._found(name, source, type_))
        if not reply.answer:
            reply.authority.append(self.zone.find_rrset(self.origin, dns.rdatatype.SOA))

    def _source(self, name: dns.name.Name) -> dns.name.Name | None:
        """Return the name whose records answer for ``name``: itself, or the wildcard beside it."""
        wild = dns.name.Name((b"*", *name.parent().labels)) if name != self.origin else name
        return next((each for each in (name, wild) if each in self.zone.nodes), None)

    def _found(
        self, name: dns.name.Name, source: dns.name.Name, type_: dns.rdatatype.RdataType
    ) -> Iterator[dns.rrset.RRset]:
        for wanted in (type_, dns.rdatatype.CNAME):
            found = self.zone.get_rdataset(source, wanted)
            if found is None:
                continue
            yield dns.rrset.from_rdata_list(name, found.ttl, list(found))
            if wanted == dns.rdatatype.CNAME:
                target = found[0].target
                yield from self._found(target, target, type_)
            return

    def transfer(self, query: dns.message.Message) -> Iterator[dns.message.Message]:
        """Yield the replies to a zone transfer: the SOA, everything else, the SOA."""
        soa = self.zone.find_rrset(self.origin, dns.rdatatype.SOA)
        sets = [
            dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
            for name, rdataset in self.zone.iterate_rdatasets()
            if rdataset.rdtype != dns.rdatatype.SOA
        ]
        every = [soa, *sets, soa]
        for start in range(0, len(every), _PER_MESSAGE):
            reply = dns.message.make_response(query, our_payload=_PAYLOAD)
            reply.flags |= dns.flags.AA
            for each in every[start : start + _PER_MESSAGE]:
                reply.answer.append(each)
            yield reply


def wire_of(reply: dns.message.Message, query: dns.message.Message, *, datagram: bool) -> bytes:
    """Return the reply as bytes; one that does not fit into a datagram is truncated to nothing but its header."""
    limit = min(query.payload, _PAYLOAD) if query.edns >= 0 else _WITHOUT_EDNS
    try:
        return reply.to_wire(max_size=max(limit, _WITHOUT_EDNS) if datagram else _LARGEST)
    except dns.exception.TooBig:
        short = dns.message.make_response(query, our_payload=_PAYLOAD)
        short.flags |= dns.flags.TC | dns.flags.AA
        return short.to_wire()
