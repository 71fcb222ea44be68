"""A client that lets ``kdig`` speak DNS."""

from __future__ import annotations

import sys

from panther_protocol_dns.digging import Digger
from panther_protocol_dns.driving import main

if __name__ == "__main__":
    sys.exit(main(Digger("kdig", ("+timeout=5", "+retry=0", "+nordflag"))))
