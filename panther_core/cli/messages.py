"""Messages about mistakes, with accents where a reader looks first: the place, what is wrong, what was meant."""

from __future__ import annotations

import re

from panther_core.cli.blocks import Line, Part, Styled

_PLACE = re.compile(r"(?P<place>\S[^|]*?:\d+:\d+): (?P<kind>error|warning): (?P<what>.*)")
_EXCERPT = re.compile(r"(?P<number> *\d* *\| )(?P<source>.*)")
_HINT = re.compile(r"(?P<before>.*)(?P<hint>did you mean '.*?'\?)(?P<after>.*)")
_ADVICE = re.compile(r"(?P<indent> +)(?P<word>try:)(?P<what> .*)")


def message_lines(text: str) -> list[Line]:
    """Return the lines of a message with their accents."""
    return [_line(each) for each in text.splitlines()]


def _line(text: str) -> Line:
    if found := _PLACE.fullmatch(text):
        place, kind, what = found.groups()
        return [
            Styled(place, "bold"),
            ": ",
            Styled(kind, "bold red" if kind == "error" else "bold yellow"),
            ": ",
            *_hinted(what),
        ]
    if found := _EXCERPT.fullmatch(text):
        number, source = found.groups()
        return [Styled(number, "dim"), Styled(source, "bold red" if source.strip() == "^" else "")]
    if found := _ADVICE.fullmatch(text):
        indent, word, what = found.groups()
        return [indent, Styled(word, "bold cyan"), what]
    return _hinted(text)


def _hinted(text: str) -> list[Part]:
    found = _HINT.fullmatch(text)
    if not found:
        return [text]
    before, hint, after = found.groups()
    return [before, Styled(hint, "bold cyan"), after]
