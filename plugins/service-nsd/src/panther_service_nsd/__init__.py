"""NSD: an authoritative DNS server."""
