"""What the plans of all servers, and those of all clients, have in common."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from panther_hookspecs import Output, ServiceContext, ServicePlan, ShellCommand
from panther_protocol_dns.zone import SERVER_NAME, seed_of, zone_file

ZONE, CERTIFICATE, KEY = "zone.txt", "certificate.pem", "key.pem"
CLIENT_SCENARIOS = ("answers", "denial", "truncation", "edns", "transfer", "many", "replay")
SERVER_SCENARIOS = (*CLIENT_SCENARIOS, "load")
"""What needs neither TLS nor QUIC; the client of ``load`` is a load generator."""


def zone_files(context: ServiceContext) -> dict[str, bytes]:
    """Return the zone as a file of the server."""
    return {ZONE: zone_file(seed_of(context.scenario, context.seed), int(context.parameters.get("count", 0)))}


def make_certificate() -> ShellCommand:
    """Return the command that makes a server's key and the certificate that its clients trust."""
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-batch"]
    files = ("-keyout", f"{{dir}}/{KEY}", "-out", f"{{dir}}/{CERTIFICATE}")
    names = ("-subj", f"/CN={SERVER_NAME.rstrip('.')}", "-addext", f"subjectAltName=DNS:{SERVER_NAME.rstrip('.')}")
    return ShellCommand("openssl", (*words, *files, *names))


def client_plan(program: Path, context: ServiceContext) -> ServicePlan:
    """Return the plan of a client; ``program`` calls :func:`panther_protocol_dns.driving.main`."""
    server = context.target
    arguments = {
        "--dir": "{dir}",
        "--host": f"{{{server}.ip}}",
        "--port": f"{{{server}.port}}",
        "--secure-port": f"{{{server}.secure}}",
        "--certificate": f"{{dir}}/../{server}/{CERTIFICATE}",
        "--server-name": SERVER_NAME.rstrip("."),
        "--scenario": context.scenario,
        "--parameters": json.dumps(dict(context.parameters)),
    }
    words = [word for pair in arguments.items() for word in pair]
    return ServicePlan(
        run=ShellCommand(sys.executable, ("-I", program, *words)),
        ends_by_itself=True,
        outputs=(Output(pattern="transcript.jsonl", kind="transcript"),),
        runtime="python",
    )
