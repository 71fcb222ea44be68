"""The program that takes packets and passes them on: ``python -I -S relay.py SPEC``.

What stands in SPEC is told by the modules ``switch`` and ``proxy``. One byte is written to the standard output once
packets are passed on. On SIGTERM the report is written: what became of the packets of each pipe.
"""

# ruff: noqa: PTH100, PTH120, PTH123
# pathlib would take a third of the start-up time.

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panther_link_relay.proxy import Proxy
    from panther_link_relay.switch import Switch


def _serving(spec: dict[str, Any]) -> Proxy | Switch:
    if "doors" in spec:
        from panther_link_relay.proxy import Proxy  # noqa: PLC0415 - found only now

        return Proxy(spec)
    from panther_link_relay.switch import Switch  # noqa: PLC0415

    return Switch(spec)


def main() -> None:
    """Serve until SIGTERM, then report."""
    with open(sys.argv[1], "rb") as file:
        spec = json.load(file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(PermissionError):
        os.nice(-20)  # a link does not slow down because the programs at its ends are busy
    serving = _serving(spec)
    sys.stdout.write(".")
    sys.stdout.flush()
    try:
        serving.run()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(spec["control"])  # noqa: PTH108
        with open(spec["report"], "w") as file:
            overruns = serving.overruns()
            reports = [{**each.report(), "overrun": overruns.get(each.name, 0)} for each in serving.pipes]
            json.dump(reports, file, indent=1)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
