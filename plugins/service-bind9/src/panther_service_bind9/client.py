"""A client that lets ``dig`` speak DNS."""

from __future__ import annotations

import sys

from panther_protocol_dns.digging import Digger
from panther_protocol_dns.driving import main

if __name__ == "__main__":
    options = ("+timeout=5", "+tries=1", "+norecurse")
    sys.exit(main(Digger("dig", options, refuses_edns="+noednsnegotiation")))
