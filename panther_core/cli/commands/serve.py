"""`panther serve`: the runs of a folder as pages for a browser, read only, on this machine alone."""

from __future__ import annotations

import argparse
import ipaddress
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from panther_core.cli.console import Console
from panther_core.cli.session import signals_interrupt, write_report
from panther_core.cli.text import shown_path
from panther_core.serve import Server, Site
from panther_hookspecs import ConfigurationException, ReportDescriptor

_PORT = 8765
_HIGHEST = 65535
_PAGES = ("html", "flamegraph")
"""Reports that are made when they are looked at and not there."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to show, and where."""
    parser.add_argument("folder", metavar="DIR", nargs="?", help="the folder with the runs (default: runs)")
    parser.add_argument(
        "--port",
        type=_port,
        default=_PORT,
        metavar="N",
        help=f"where to listen; 0 takes a free port (default: {_PORT})",
    )
    parser.add_argument(
        "--bind",
        type=_address,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="for whom: 127.0.0.1 is this machine alone",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to {_HIGHEST}, got {text!r}")
    return int(text)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(args: argparse.Namespace, console: Console) -> int:
    """Answer until it is interrupted."""
    base = console.folder_of_runs(args.folder or str(console.runs))
    try:
        server = Server(Site(base, _reports(console)), args.bind, args.port)
    except OSError as error:
        raise ConfigurationException(
            f"cannot listen at {args.bind}, port {args.port}: {error.strerror or error}\n"
            "  try: another --port; 0 takes a free one"
        ) from error
    host = f"[{args.bind}]" if ":" in args.bind else args.bind
    with server:
        if not ipaddress.ip_address(args.bind).is_loopback:
            console.complain("whoever reaches this machine can read these runs; without --bind nobody else can")
        console.say(f"{shown_path(base)} at http://{host}:{server.server_address[1]}/  (Ctrl-C ends it)")
        console.stdout.flush()
        try:
            with signals_interrupt(signal.SIGINT):  # a shell has it ignored by what it starts with &
                server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _reports(console: Console) -> dict[str, Callable[[Path], bytes]]:
    registry = console.plugins.registry
    names = [each for each in _PAGES if each in registry.names(ReportDescriptor)]
    return {each.filename: _maker(each, console) for each in (registry.get(ReportDescriptor, name) for name in names)}


def _maker(descriptor: ReportDescriptor, console: Console) -> Callable[[Path], bytes]:
    """Return what makes the report of a run and leaves nothing in the run."""

    def make(run: Path) -> bytes:
        with tempfile.TemporaryDirectory(prefix="panther-report-") as folder:
            return write_report(descriptor, run, str(Path(folder) / descriptor.filename), console).read_bytes()

    return make
