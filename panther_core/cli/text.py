"""Text for terminals: cleaned of control characters, measured in cells, numbers as people say them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_SHORT = 60.0
_WHOLE = 1e15
_KILO = 1024
_TIMES = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def clean(text: object) -> str:
    """Return text that cannot move the cursor, change colours or break a line: control characters become visible."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(each if each.isprintable() else _visible(each) for each in shown)


def _visible(character: str) -> str:
    if character in "\n\t":
        return " "
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def width(text: str) -> int:
    """Return the number of terminal cells that cleaned text takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - most text is plain

    return cell_len(text)


def squeeze(text: str, cells: int) -> str:
    """Return as much of both ends of ``text`` as fits into ``cells``: names differ at their ends."""
    if width(text) <= cells:
        return text
    from rich.cells import chop_cells  # noqa: PLC0415 - most names fit

    tail = chop_cells(text[::-1], max(cells // 3, 1))[0][::-1]
    head = chop_cells(text, max(cells - width(tail) - 1, 1))[0]
    return f"{head}\N{HORIZONTAL ELLIPSIS}{tail}"


def duration(seconds: float) -> str:
    """Return a duration as a person says it: ``0.04 s``, ``12.3 s``, ``3:25``, ``1:02:03``."""
    if seconds < _SHORT:
        return f"{seconds:.2f} s" if seconds < _SHORT / 6 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def whole(seconds: float) -> str:
    """Return a duration that changes at most once a second: ``12 s``, ``3:25``."""
    return f"{round(seconds)} s" if seconds < _SHORT - 1 else duration(max(seconds, _SHORT))


def number(value: float) -> str:
    """Return a measured value with as many digits as a person reads."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < _WHOLE else f"{value:,.4g}"


def amount(value: float, unit: str) -> str:
    """Return a measured value with its unit as a person says it: ``274 ms``, ``1.4 MiB``, ``3 samples``."""
    if unit in _TIMES:
        seconds = value * _TIMES[unit]
        scale = next((each for each in ("s", "ms", "us") if abs(seconds) >= _TIMES[each]), unit if not value else "ns")
        return f"{number(float(f'{seconds / _TIMES[scale]:.3g}') if seconds < _SHORT else seconds)} {scale}"
    return size(value) if unit == "B" and value >= 0 else f"{number(value)} {unit}".rstrip()


def size(count: float) -> str:
    """Return an amount of data as a person says it: ``812 B``, ``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _KILO or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    raise AssertionError("the last unit takes everything")


def plural(count: int, one: str, many: str = "") -> str:
    """Return ``1 case``, ``2 cases``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def shown_path(path: Path | str) -> str:
    """Return a path as short as it can be typed from here: relative where it is below the current folder."""
    absolute = Path(path).absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def counted(counts: Iterable[tuple[str, int]]) -> str:
    """Return verdicts with their numbers, the ones that are there: ``8 pass, 2 fail``."""
    return ", ".join(f"{count} {name}" for name, count in counts if count)
