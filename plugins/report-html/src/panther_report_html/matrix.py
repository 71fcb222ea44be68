"""Who understands whom: implementations against implementations, each field with what was tried between the two."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from panther_report_html.cases import SYMBOLS, VERDICTS, Case

_ROWS, _COLUMNS = ("client", "subscriber", "tester", "peer"), ("server", "broker")
_SHORTEST = 1


@attrs.frozen(kw_only=True)
class Chip:
    """One test between two implementations, all its repetitions together."""

    code: str
    label: str
    verdict: str
    symbol: str
    as_expected: bool
    count: str
    """``4/5`` where not all of several repetitions agree."""
    case: int
    """Number of the case to look at: the first that is not as expected, or the first."""
    why: str


@attrs.frozen(kw_only=True)
class Field:
    """What was tried between the two implementations of a row and a column."""

    chips: tuple[Chip, ...]


@attrs.frozen(kw_only=True)
class Matrix:
    """The table and the words that explain it."""

    row_role: str
    column_role: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    fields: Mapping[tuple[str, str], Field]
    codes: Mapping[str, str]
    """What each code stands for."""

    def field(self, row: str, column: str) -> tuple[Chip, ...]:
        """Return the chips of one field, none where nothing was tried."""
        found = self.fields.get((row, column))
        return found.chips if found else ()


def matrix_of(cases: Sequence[Case]) -> Matrix | None:
    """Return the matrix of a run, or None where there are no two roles to set against each other."""
    roles = _roles(cases)
    if roles is None:
        return None
    row_role, column_role = roles
    groups: dict[tuple[str, str], dict[str, list[Case]]] = {}
    tried = _tests(cases)
    for case in cases:
        row, column = _playing(case, row_role), _playing(case, column_role)
        if row and column:
            groups.setdefault((row, column), {}).setdefault(tried[case.number], []).append(case)
    if not groups:
        return None
    tests = sorted({test for field in groups.values() for test in field})
    codes = abbreviations(tests)
    return Matrix(
        row_role=row_role,
        column_role=column_role,
        rows=tuple(sorted({row for row, _ in groups})),
        columns=tuple(sorted({column for _, column in groups})),
        fields={
            place: Field(chips=tuple(_chip(codes[test], test, field[test]) for test in sorted(field)))
            for place, field in groups.items()
        },
        codes={codes[test]: test for test in tests},
    )


def _roles(cases: Iterable[Case]) -> tuple[str, str] | None:
    """Return the roles of rows and columns: those that most cases have, who asks before who answers."""
    counted = Counter(
        str(each.get("role") or "")
        for case in cases
        for each in {str(each.get("role")): each for each in (case.record.get("services") or {}).values()}.values()
    )
    common = [role for role, _ in counted.most_common() if role]
    if len(common) < 2:  # noqa: PLR2004 - a table has two sides
        return None
    row = next((role for role in _ROWS if role in common), None)
    column = next((role for role in _COLUMNS if role in common), None)
    row = row or next(role for role in common if role != column)
    return row, column or next(role for role in common if role != row)


def _playing(case: Case, role: str) -> str:
    services = case.record.get("services") or {}
    names = dict.fromkeys(case.players[name] for name, each in services.items() if each.get("role") == role)
    return " + ".join(names)


def _tests(cases: Sequence[Case]) -> Mapping[int, str]:
    """Return what each case tried: its name, and the values of the axes that do not choose an implementation.

    A name that all cases share says nothing, as long as something else does.
    """
    named = len({case.name for case in cases}) > 1
    found: dict[int, str] = {}
    for case in cases:
        services = case.record.get("services") or {}
        values = [
            value if axis == "scenario" else f"{axis.rpartition('.')[2]}={value}"
            for axis, value in case.cell.items()
            if axis.removeprefix("services.").partition(".")[0] not in services and value != case.name
        ]
        found[case.number] = " ".join([case.name, *values] if named or not values else values)
    return found


def _chip(code: str, test: str, cases: Sequence[Case]) -> Chip:
    counted = Counter(case.verdict for case in cases)
    worst = next((verdict for verdict in VERDICTS if counted[verdict]), cases[0].verdict)
    verdict = worst if len(counted) == 1 or not counted["pass"] else "flaky"
    look = next((case for case in cases if not case.as_expected), cases[0])
    return Chip(
        code=code,
        label=test,
        verdict=verdict,
        symbol=SYMBOLS.get(verdict, "!"),
        as_expected=all(case.as_expected for case in cases),
        count=f"{counted['pass']}/{len(cases)}" if len(counted) > 1 else "",
        case=look.number,
        why=look.why,
    )


def abbreviations(names: Sequence[str]) -> dict[str, str]:
    """Return a short code for each name, all different: initials, longer where two would be the same."""
    given: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda each: (len(each), each)):
        code = next(each for each in _codes(name) if each not in taken)
        taken.add(code)
        given[name] = code
    return given


def _codes(name: str) -> Iterable[str]:
    """Yield possible codes, the best first, without an end."""
    letters = [each for each in name if each.isalnum()] or ["x"]
    yield letters[0].upper()
    words = [word for word in "".join(each if each.isalnum() else " " for each in name).split() if word]
    if len(words) > 1:
        yield "".join(word[0] for word in words)[:4].upper()
    for length in range(_SHORTEST + 1, min(len(letters), 4) + 1):
        yield letters[0].upper() + "".join(letters[1:length]).lower()
    for number in itertools.count(2):
        yield f"{letters[0].upper()}{number}"
