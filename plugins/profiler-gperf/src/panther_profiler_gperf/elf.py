"""What an ELF file says about itself: how it is linked, what it needs, and which function is at which address."""

from __future__ import annotations

import bisect
import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import attrs

_MAGIC = b"\x7fELF"
_PT_LOAD, _PT_INTERP = 1, 3
_SHT_SYMTAB, _SHT_DYNAMIC, _SHT_DYNSYM = 2, 6, 11
_DT_NEEDED = 1
_FUNCTIONS = frozenset({2, 10})
"""The types of symbols that are code: STT_FUNC and STT_GNU_IFUNC."""
_GO_SECTIONS = frozenset({".go.buildinfo", ".note.go.buildid", ".gopclntab"})


class ElfError(ValueError):
    """The file is no ELF file of this machine's byte order, or is damaged."""


class Segment(NamedTuple):
    """A part of the file that is mapped into memory."""

    offset: int
    address: int
    size: int


class Section(NamedTuple):
    """One section, as far as it is looked at."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


class Symbol(NamedTuple):
    """A function of a symbol table; one without an address is taken from another file."""

    address: int
    size: int
    name: str
    strong: bool


class _Layout(NamedTuple):
    """How headers are laid out in files of 32 or 64 bits."""

    header: str
    program: str
    section: str
    symbol: str
    word: int


_LAYOUTS = {
    1: _Layout("<HHIIIIIHHHHHH", "<IIIIIIII", "<IIIIIIIIII", "<IIIBBH", 4),
    2: _Layout("<HHIQQQIHHHHHH", "<IIQQQQQQ", "<IIQQQQIIQQ", "<IBBHQQ", 8),
}


@attrs.frozen(kw_only=True)
class Elf:
    """The facts about one ELF file that instruments ask for."""

    bits: int
    machine: int
    interpreter: str
    """The dynamic loader that the file asks for; empty for a static program and for most libraries."""
    needed: tuple[str, ...]
    segments: tuple[Segment, ...]
    is_go: bool
    has_symbol_table: bool
    """Whether the names of internal functions are there; a stripped file has only those that it exports."""
    exported: frozenset[str]
    """Functions that other files can call, and that go before those of a preloaded library."""
    imported: frozenset[str]
    functions: Functions

    def address_of(self, offset: int) -> int | None:
        """Return the address, as symbols and debug information count it, of a position in the file."""
        for segment in self.segments:
            if segment.offset <= offset < segment.offset + segment.size:
                return offset - segment.offset + segment.address
        return None


@attrs.frozen
class Functions:
    """Functions by address; an address between two functions belongs to none."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, symbols: Iterator[Symbol]) -> Functions:
        """Arrange symbols; of several at one address a strong one with a size is taken."""
        best: dict[int, Symbol] = {}
        for symbol in symbols:
            known = best.get(symbol.address)
            if symbol.address and (known is None or _rank(symbol) > _rank(known)):
                best[symbol.address] = symbol
        starts = sorted(best)
        following = (*starts[1:], *starts[-1:])
        ends = (start + (best[start].size or then - start) for start, then in zip(starts, following, strict=True))
        return cls(tuple(starts), tuple(ends), tuple(best[start].name for start in starts))

    def at(self, address: int) -> str:
        """Return the name of the function at ``address``, or nothing."""
        found = bisect.bisect_right(self.starts, address) - 1
        return self.names[found] if found >= 0 and address < self.ends[found] else ""


def _rank(symbol: Symbol) -> tuple[bool, bool, int]:
    return (symbol.size > 0, symbol.strong, -len(symbol.name))


def read_elf(path: Path) -> Elf:
    """Return the facts about the file at ``path``; raise ElfError for any other sort of file."""
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise ElfError(f"{path} is no ELF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _facts(data)
            except (struct.error, IndexError, KeyError) as error:
                raise ElfError(f"{path} is damaged or of another byte order: {error}") from error


def _facts(data: mmap.mmap) -> Elf:
    if data[5] != 1:
        raise ElfError("another byte order")
    layout = _LAYOUTS[data[4]]
    header = struct.unpack_from(layout.header, data, 16)
    machine, programs, sections = header[1], header[4], header[5]
    _, program_size, program_count, section_size, section_count, names_at = header[7:13]
    segments, interpreter = _programs(data, layout, programs, program_size, program_count)
    listed = _sections(data, layout, sections, section_size, section_count, names_at)
    tables = {each.kind: each for each in listed if each.kind in (_SHT_SYMTAB, _SHT_DYNSYM)}
    dynamic = tuple(_symbols(data, layout, tables.get(_SHT_DYNSYM), listed))
    internal = tables.get(_SHT_SYMTAB)
    own = _symbols(data, layout, internal, listed) if internal else iter(dynamic)
    return Elf(
        bits=layout.word * 8,
        machine=machine,
        interpreter=interpreter,
        needed=_needed(data, layout, listed),
        segments=segments,
        is_go=any(each.name in _GO_SECTIONS for each in listed),
        has_symbol_table=internal is not None,
        exported=frozenset(each.name for each in dynamic if each.address),
        imported=frozenset(each.name for each in dynamic if not each.address),
        functions=Functions.of(own),
    )


def _programs(data: mmap.mmap, layout: _Layout, start: int, size: int, count: int) -> tuple[tuple[Segment, ...], str]:
    segments, interpreter = [], ""
    for number in range(count):
        fields = struct.unpack_from(layout.program, data, start + number * size)
        if layout.word == 8:  # noqa: PLR2004 - the field of flags has another place
            kind, _, offset, address, _, length = fields[:6]
        else:
            kind, offset, address, _, length = fields[:5]
        if kind == _PT_LOAD:
            segments.append(Segment(offset, address, length))
        elif kind == _PT_INTERP:
            interpreter = data[offset : offset + length].rstrip(b"\0").decode("utf-8", "replace")
    return tuple(segments), interpreter


def _sections(
    data: mmap.mmap, layout: _Layout, start: int, size: int, count: int, names_at: int
) -> tuple[Section, ...]:
    raw = [struct.unpack_from(layout.section, data, start + number * size) for number in range(count)]
    if not raw or names_at >= len(raw):
        return ()
    names = raw[names_at][4]
    return tuple(Section(_text(data, names + each[0]), each[1], each[4], each[5], each[6]) for each in raw)


def _symbols(
    data: mmap.mmap, layout: _Layout, table: Section | None, sections: tuple[Section, ...]
) -> Iterator[Symbol]:
    if table is None:
        return
    names = sections[table.link].offset
    end = table.offset + table.size - table.size % struct.calcsize(layout.symbol)
    for fields in struct.iter_unpack(layout.symbol, data[table.offset : end]):
        if layout.word == 8:  # noqa: PLR2004 - the fields have another order
            name, info, _, section, address, size = fields
        else:
            name, address, size, info, _, section = fields
        if name and (info & 15 in _FUNCTIONS or not section):
            yield Symbol(address if section else 0, size, _text(data, names + name), info >> 4 == 1)


def _needed(data: mmap.mmap, layout: _Layout, sections: tuple[Section, ...]) -> tuple[str, ...]:
    table = next((each for each in sections if each.kind == _SHT_DYNAMIC), None)
    if table is None:
        return ()
    names = sections[table.link].offset
    pairs = struct.iter_unpack("<QQ" if layout.word == 8 else "<II", data[table.offset : table.offset + table.size])  # noqa: PLR2004
    return tuple(_text(data, names + value) for tag, value in pairs if tag == _DT_NEEDED)


def _text(data: mmap.mmap, start: int) -> str:
    return data[start : data.find(b"\0", start)].decode("utf-8", "replace")
