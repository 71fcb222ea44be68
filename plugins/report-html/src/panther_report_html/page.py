"""The page: one file with everything in it, which nothing in a run can make do anything else."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import jinja2

from panther_hookspecs import RunView
from panther_report_html.cases import SYMBOLS, VERDICTS, Case, address, cases_of
from panther_report_html.comparison import compared
from panther_report_html.details import detail_of, events_of
from panther_report_html.findings import MOST as MOST_DEFECTS
from panther_report_html.findings import defects_of
from panther_report_html.matrix import matrix_of
from panther_report_html.numbers import columns_of
from panther_report_html.provenance import facts_of
from panther_report_html.systems import picture_of

STATIC_ROWS = 100
"""Rows that are there without JavaScript."""
_MANY = 300
_DETAIL_BYTES = 500_000
_DETAIL_BYTES_OF_MANY = 60_000
"""Room for the details of cases, compressed: a page must stay light enough to be sent."""
_PICTURE_BYTES = 250_000
_PICTURE_BYTES_OF_MANY = 20_000
"""Room for the pictures of other reports, compressed."""
_GZIP = 31
_OTHER_REPORTS = ("flamegraph.html", "junit.xml", "report.json", "results.csv")


def write_page(run: RunView, target: Path) -> None:
    """Write the page about a run."""
    # First, because then the cases are read once, for those who draw and for the page.
    kinds, pictures = _pictures(run, _PICTURE_BYTES if (run.planned or 0) <= _MANY else _PICTURE_BYTES_OF_MANY)
    cases = cases_of(run)
    assets = files("panther_report_html")
    style, script = (assets.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    told, details = _details(run, cases)
    defects = defects_of(cases)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(assets.joinpath("page.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        policy=f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}",
        style=style,
        script=script,
        run=run.folder.name,
        title=str(_experiment(run).get("name") or run.folder.name),
        description=str(_experiment(run).get("description") or ""),
        counts=_counts(cases),
        unexpected=[case for case in cases if not case.as_expected],
        planned=run.planned,
        cases=cases,
        rows=cases[:STATIC_ROWS],
        told=told,
        matrix=matrix_of(cases),
        symbols=SYMBOLS,
        compared=compared(run.comparison),
        defects=defects[:MOST_DEFECTS],
        more_defects=max(0, len(defects) - MOST_DEFECTS),
        kinds=kinds,
        pictures=pictures,
        systems=picture_of(run.attempts(), cases, _jobs(run)),
        facts=facts_of(run.lock),
        others=[(name, address(name)) for name in _OTHER_REPORTS if (run.folder / name).is_file()],
        address=address,
        data=_packed(_data(cases)),
        details=details,
    )
    target.write_text(page, encoding="utf-8", errors="backslashreplace")


def _experiment(run: RunView) -> Mapping[str, Any]:
    """Return the experiment, or nothing where a run was killed before it was written down."""
    try:
        return run.experiment
    except OSError:
        return {}


def _jobs(run: RunView) -> int:
    """Return how many cases could run at a time, 0 where the run does not tell."""
    told = (
        each.get("content", {}).get("metadata", {}) for each in run.events_about({str(_experiment(run).get("name"))})
    )
    return next((int(each["jobs"]) for each in told if "jobs" in each), 0)


def _counts(cases: Iterable[Case]) -> list[tuple[str, str, int]]:
    counted = Counter(case.verdict for case in cases)
    return [(verdict, SYMBOLS.get(verdict, "!"), counted[verdict]) for verdict in VERDICTS if counted[verdict]]


def _data(cases: Sequence[Case]) -> dict[str, Any]:
    """Return what the page sorts, filters and draws: columns over all cases, texts said once."""
    texts: dict[str, int] = {}

    def said(text: str) -> int:
        return texts.setdefault(text, len(texts))

    axes = list(dict.fromkeys(axis for case in cases for axis in case.cell))
    data = {
        "symbols": SYMBOLS,
        "axes": axes,
        "name": [said(case.name) for case in cases],
        "cell": [[said(case.cell[axis]) if axis in case.cell else None for case in cases] for axis in axes],
        "repetition": [case.repetition for case in cases],
        "verdict": [said(case.verdict) for case in cases],
        "expected": [int(case.as_expected) for case in cases],
        "seconds": [round(case.seconds, 3) for case in cases],
        "why": [said(case.why) for case in cases],
        "folder": [case.folder for case in cases],
        "columns": [attrs.asdict(column) for column in columns_of(cases)],
    }
    return {**data, "texts": list(texts)}


def _details(run: RunView, cases: Sequence[Case]) -> tuple[int, str]:
    """Return how many cases, from the first on, the page can tell all about, and that, compressed."""
    room = _DETAIL_BYTES if len(cases) <= _MANY else _DETAIL_BYTES_OF_MANY
    events = events_of(run, cases[: room // 50])
    packer = zlib.compressobj(level=9, wbits=_GZIP)
    out = bytearray(packer.compress(b"["))
    told = 0
    for case in cases:
        if len(out) > room:
            break
        detail = detail_of(case, run.folder, events.get(str(case.record["case"]), ()))
        separator = "," if told else ""
        out += packer.compress((separator + _json(detail)).encode())
        out += packer.flush(zlib.Z_SYNC_FLUSH) if told % 20 == 0 else b""
        told += 1
    out += packer.compress(b"]") + packer.flush()
    return told, base64.b64encode(bytes(out)).decode()


def _pictures(run: RunView, room: int) -> tuple[Counter[str], str]:
    """Return how many pictures of each kind the page has room for, and those, compressed."""
    packer = zlib.compressobj(level=9, wbits=_GZIP)
    out = bytearray(packer.compress(b"["))
    kinds: Counter[str] = Counter()
    for each in run.figures():
        out += packer.compress(
            ("," * bool(kinds) + _json([each.kind, each.title, each.about, each.link, each.svg])).encode()
        )
        out += packer.flush(zlib.Z_SYNC_FLUSH)
        kinds[each.kind or "figure"] += 1
        if len(out) > room:
            break
    out += packer.compress(b"]") + packer.flush()
    return kinds, base64.b64encode(bytes(out)).decode()


def _packed(data: Any) -> str:
    packer = zlib.compressobj(level=9, wbits=_GZIP)
    return base64.b64encode(packer.compress(_json(data).encode()) + packer.flush()).decode()


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _hash(content: str) -> str:
    """Return what allows exactly this script or style to the browser, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
