"""Files of a run, as harmless as they can be handed out: text to read, anything else to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

import attrs

from panther_core.cli.text import size
from panther_core.serve.markup import Inside, el, link, page, table

_PLAIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'"
)
_PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_HEAD = 4096


@attrs.frozen(kw_only=True)
class Answer:
    """What a request gets."""

    body: bytes = b""
    path: Path | None = None
    """A file that is the body."""
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/html; charset=utf-8"
    policy: str = _PLAIN_POLICY
    """What a browser may do with it."""
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of_page(cls, body: bytes) -> Answer:
        """Return a page of this site."""
        return cls(body=body)

    @classmethod
    def of_report(cls, body: bytes) -> Answer:
        """Return a report, which brings a script of its own."""
        return cls(body=body, policy=_REPORT_POLICY)


def file_answer(folder: Path, rest: Sequence[str], reports: Sequence[str]) -> Answer | None:
    """Return a file or a listing below the folder of a run; None for everything that is not there.

    A part that is empty, or goes up, or hides, leads nowhere; neither does a link to a place outside of the run.
    """
    inner = [*rest[:-1], *([rest[-1]] if rest[-1] else [])]
    if any(not each or each.startswith(".") or "/" in each or "\0" in each for each in inner):
        return None
    root = folder.resolve()
    path = root.joinpath(*inner).resolve()
    if not path.is_relative_to(root):
        return None
    if path.is_dir():
        return Answer.of_page(_listing(folder.name, inner, path)) if not rest[-1] else _moved(folder.name, inner)
    return _file(path, report=len(inner) == 1 and inner[0] in reports) if path.is_file() and rest[-1] else None


def _moved(run: str, inner: Sequence[str]) -> Answer:
    target = link(("runs", run, *inner, ""), "").attrib["href"]
    return Answer(status=HTTPStatus.MOVED_PERMANENTLY, headers={"Location": target})


def _file(path: Path, *, report: bool) -> Answer:
    if report:
        return Answer(path=path, policy=_REPORT_POLICY)
    if path.suffix in _PICTURES:
        return Answer(path=path, kind=_PICTURES[path.suffix], policy=_SANDBOX)
    with path.open("rb") as file:
        binary = b"\0" in file.read(_HEAD)
    if binary:
        return Answer(path=path, kind="application/octet-stream", headers={"Content-Disposition": "attachment"})
    return Answer(path=path, kind="text/plain; charset=utf-8", policy=_SANDBOX)


def _listing(run: str, inner: Sequence[str], path: Path) -> bytes:
    rows: list[list[Inside | list[Inside]]] = []
    for each in sorted(path.iterdir(), key=lambda entry: (not entry.is_dir(), entry.name)):
        if each.name.startswith(".") or each.is_symlink() or not (each.is_dir() or each.is_file()):
            continue
        folder = each.is_dir()
        place = ("runs", run, *inner, each.name, *([""] if folder else []))
        rows.append([link(place, each.name + "/" * folder), "" if folder else size(each.stat().st_size)])
    crumbs: list[Inside] = [link(("",), "All runs"), " / ", link(("runs", run, ""), run)]
    for depth, name in enumerate(inner, 1):
        crumbs += [" / ", link(("runs", run, *inner[:depth], ""), name)]
    title = "/".join((run, *inner))
    return page(
        title, el("nav", None, *crumbs), el("h1", None, inner[-1]), table((("file", ""), ("size", "number")), rows)
    )
