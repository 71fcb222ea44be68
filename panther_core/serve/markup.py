"""Pages made of elements: whatever a run holds is text in them, because nothing else can be put there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from urllib.parse import quote
from xml.etree.ElementTree import Element, tostring

Inside = Element | str | None


def el(tag: str, given: Mapping[str, str] | None = None, *inside: Inside) -> Element:
    """Return an element with text and other elements inside; None is left out."""
    made = Element(tag, dict(given or {}))
    for each in inside:
        if isinstance(each, Element):
            made.append(each)
        elif each is not None and len(made):
            made[-1].tail = (made[-1].tail or "") + each
        elif each is not None:
            made.text = (made.text or "") + each
    return made


def link(path: Iterable[str], words: str, query: str = "") -> Element:
    """Return a link to a place of this site, given by its parts."""
    return el("a", {"href": address(path, query)}, words)


def address(path: Iterable[str], query: str = "") -> str:
    """Return the address of a place of this site."""
    return "/" + "/".join(quote(part, safe="") for part in path) + (f"?{query}" if query else "")


def table(titles: Iterable[tuple[str, str]], rows: Iterable[Iterable[Inside | list[Inside]]]) -> Element:
    """Return a table; ``titles`` are pairs of a title and the class of its column."""
    titles = list(titles)
    head = el("tr", None, *(el("th", {"scope": "col", "class": kind}, title) for title, kind in titles))
    body = []
    for row in rows:
        cells = zip(row, titles, strict=True)
        body.append(
            el(
                "tr",
                None,
                *(
                    el("td", {"class": kind}, *(each if isinstance(each, list) else [each]))
                    for each, (_, kind) in cells
                ),
            )
        )
    return el("div", {"class": "wide"}, el("table", None, el("thead", None, head), el("tbody", None, *body)))


def page(title: str, *inside: Inside) -> bytes:
    """Return a whole page."""
    head = el(
        "head",
        None,
        el("meta", {"charset": "utf-8"}),
        el("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        el("title", None, title),
        el("style", None, files("panther_core.serve").joinpath("style.css").read_text(encoding="utf-8")),
    )
    root = el("html", {"lang": "en"}, head, el("body", None, *inside))
    text = "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html")
    return text.encode("utf-8", "backslashreplace")
