"""The packets of a run as tshark decodes them, a line each: for `panther show --packets`."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from panther_core.cli.attempts import case_label
from panther_core.cli.blocks import Block, Rows, Styled, link
from panther_core.cli.text import number, plural
from panther_hookspecs import ConfigurationException, EnvironmentUnavailableError

MOST_PACKETS = 60
"""Lines for one recording; the rest is counted."""
_PATIENCE = 60.0
_FIELDS = ("frame.time_relative", "frame.len", "_ws.col.Source", "_ws.col.Destination", "_ws.col.Protocol")
_INFO = "_ws.col.Info"


def packet_blocks(cases: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Block]:
    """Yield the packets of every recording of these cases."""
    recordings = [
        (case, artifact, folder / "cases" / case["case"] / str(case["attempt"]) / artifact["path"])
        for case in cases
        for artifact in case.get("artifacts", ())
        if artifact["kind"] == "capture"
    ]
    if not recordings:
        raise ConfigurationException(
            f"no packets of these cases were kept in {folder}\n"
            "  try: capture: true in the experiment, and --keep-capture always"
        )
    if shutil.which("tshark") is None:
        raise EnvironmentUnavailableError(
            "tshark is needed to decode packets, and is not there\n"
            f"  try: apt install tshark, or open {recordings[0][2]} elsewhere: the keys are inside"
        )
    for number_, (case, artifact, path) in enumerate(recordings):
        yield from ("",) * (number_ > 0)
        yield [
            Styled(f"{case_label(case)}: packets of {artifact['service'] or 'all services'}", "bold"),
            "  ",
            link(path),
        ]
        yield from _decoded(path)


def _decoded(path: Path) -> Iterator[Block]:
    packets = _read(path)
    protocols = Counter(each[4] for each in packets)
    told = ", ".join(f"{number(count)} {name}" for name, count in protocols.most_common())
    size = sum(int(each[1]) for each in packets)
    yield f"{plural(len(packets), 'packet')}, {number(size)} bytes: {told or 'nothing'}"
    rows = [
        [f"{float(when) * 1000:.3f} ms", f"{source} > {target}", protocol, length, info]
        for when, length, source, target, protocol, info in packets[:MOST_PACKETS]
    ]
    yield Rows(rows=rows, titles=("time", "from > to", "protocol", "bytes", "what"), indent=2, right=(0, 3))
    if len(packets) > MOST_PACKETS:
        yield f"  and {number(len(packets) - MOST_PACKETS)} more: tshark -r {path}"


def _read(path: Path) -> list[list[str]]:
    """Return the fields of every packet; one call of tshark for all of them."""
    fields = [word for each in (*_FIELDS, _INFO) for word in ("-e", each)]
    argv = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=/t", "-E", "occurrence=f", *fields]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentUnavailableError(f"tshark could not read {path}: {error}") from error
    if done.returncode and not done.stdout:
        reason = (done.stderr.decode("utf-8", "replace").strip() or "it said nothing").splitlines()[-1]
        raise EnvironmentUnavailableError(f"tshark could not read {path}: {reason}")
    width = len(_FIELDS) + 1
    lines = (line.split("\t", width - 1) for line in done.stdout.decode("utf-8", "replace").splitlines())
    return [[*each, *[""] * (width - len(each))] for each in lines if len(each) > 1]
