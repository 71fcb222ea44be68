"""From addresses to functions: debug information through addr2line, else the symbol tables of the files."""

from __future__ import annotations

import bisect
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import attrs

from panther_hookspecs import CommandProcessor, ShellCommand
from panther_profiler_gperf.elf import Elf, read_elf
from panther_profiler_gperf.stacks import Addresses, Frame, RawProfile, Region, Stacks, Values

_TIMEOUT = 120.0
_MOST_KNOWN = 200_000
_UNKNOWN = "??"
_ARGUMENTS = re.compile(r"\([^()]*\)(?:\s*const)?")
_TEMPLATE = re.compile(r"<[^<>]*>")
_RESULT_TYPE = re.compile(r"^.*\s+(\w+::)")

ALLOCATORS = re.compile(
    r"(?:tc_|__libc_|do_|_)*(?:malloc|calloc|realloc|reallocarray|free|cfree|memalign|aligned_alloc|posix_memalign|"
    r"valloc|pvalloc|new|delete|newarray|deletearray|new_nothrow|newarray_nothrow)|operator (?:new|delete)(?:\[\])?|"
    r"tcmalloc::.*|.*TCMalloc.*|(?:.*::)?(?:do_malloc_or_cpp_alloc|do_malloc|DoSampledAllocation)"
)
"""Functions between a program and its memory; who called them is of interest."""


class Stamp(NamedTuple):
    """A file as it is now; if it is built anew it is another one."""

    path: str
    changed: int
    size: int


Place = tuple[Stamp, int]
"""An address in a file, as its symbols count it."""


@attrs.frozen
class Known:
    """What files have said, kept for all cases of a run: they mostly ask for the same."""

    files: dict[Stamp, Elf] = attrs.field(factory=dict)
    frames: dict[Place, tuple[Frame, ...]] = attrs.field(factory=dict)
    """The functions at a place, none where the file does not know."""


@attrs.define
class Symbols:
    """Names the functions at addresses."""

    commands: CommandProcessor
    scratch: Path
    """A folder for what addr2line says, removed afterwards."""
    known: Known = attrs.field(factory=Known)
    _files: dict[str, tuple[Stamp, Elf] | None] = attrs.field(factory=dict, init=False)
    _frames: dict[Place, tuple[Frame, ...]] = attrs.field(factory=dict, init=False)

    def name(self, profiles: Iterable[RawProfile], skip: re.Pattern[str] | None = None) -> Stacks:
        """Return the stacks of all profiles with names; functions that ``skip`` matches are left out."""
        listed = tuple(profiles)
        self._ask(listed)
        return Stacks.gather(each for profile in listed for each in self._named(profile, skip))

    def has_names(self, path: str) -> bool:
        """Return whether the internal functions of the file at ``path`` have names."""
        file = self._file(path)
        return file is not None and file[1].has_symbol_table

    def _named(self, profile: RawProfile, skip: re.Pattern[str] | None) -> Iterator[tuple[tuple[Frame, ...], Values]]:
        regions = _Regions(profile.mappings)
        cache: dict[int, tuple[Frame, ...]] = {}
        for addresses, values in profile.stacks.items():
            frames: list[Frame] = []
            for address in addresses:
                if address not in cache:
                    cache[address] = self._at(regions, address)
                frames += cache[address]
            if skip is not None:
                frames = [frame for frame in frames if not skip.fullmatch(frame.function)]
            yield tuple(frames), values

    def _at(self, regions: _Regions, address: int) -> tuple[Frame, ...]:
        region = regions.at(address)
        if region is None:
            return (Frame("[unknown]"),)
        place = self._place(region, address)
        known = self._frames.get(place) if place is not None else None
        return known or (Frame(f"[{PurePosixPath(region.path).name}]"),)

    def _place(self, region: Region, address: int) -> Place | None:
        """Return which file and which address in it is meant, None if the file cannot be read."""
        file = self._file(region.path)
        if file is None:
            return None
        found = file[1].address_of(address - region.start + region.offset)
        return None if found is None else (file[0], found)

    def _file(self, path: str) -> tuple[Stamp, Elf] | None:
        if path not in self._files:
            try:
                status = Path(path).stat()
                stamp = Stamp(path, status.st_mtime_ns, status.st_size)
                elf = self.known.files.get(stamp) or read_elf(Path(path))
                self.known.files[stamp] = elf
                self._files[path] = (stamp, elf)
            except (OSError, ValueError):  # it has been removed or replaced: there are no names then
                self._files[path] = None
        return self._files[path]

    def _ask(self, profiles: Iterable[RawProfile]) -> None:
        """Look up every address that is new."""
        wanted: dict[str, set[int]] = {}
        for profile in profiles:
            regions = _Regions(profile.mappings)
            for address in _addresses(profile.stacks):
                region = regions.at(address)
                place = self._place(region, address) if region else None
                if place is not None and place in self.known.frames:
                    self._frames[place] = self.known.frames[place]
                elif place is not None and place not in self._frames:
                    wanted.setdefault(place[0].path, set()).add(place[1])
        for path, places in wanted.items():
            self._look_up(path, sorted(places))
        if len(self.known.frames) < _MOST_KNOWN:
            self.known.frames.update(self._frames)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _look_up(self, path: str, places: list[int]) -> None:
        file = self._file(path)
        assert file is not None, "only places in files that could be read are asked for"
        stamp, elf = file
        own = {place: elf.functions.at(place) for place in places}
        plain = self._demangled(set(own.values()))
        told = self._addr2line(path, places)
        for place in places:
            name = plain.get(own[place], own[place])
            frames = told.get(place, ())
            if frames and frames[-1].place:
                outer = frames[-1]
                # The table knows parts that the compiler has split off: f.cold, f.part.0, f.constprop.0.
                found = (
                    (*frames[:-1], outer._replace(function=name)) if name.startswith(f"{outer.function}.") else frames
                )
            else:
                found = (Frame(name),) if name else ()
            self._frames[stamp, place] = found

    def _addr2line(self, path: str, places: list[int]) -> Mapping[int, tuple[Frame, ...]]:
        """Return the functions at each place, those inlined first, as debug information has them."""
        asked = "".join(f"{place:#x}\n" for place in places).encode()
        lines = self._output("addr2line", ("-a", "-f", "-C", "-i", "-e", path), asked)
        told: dict[int, tuple[Frame, ...]] = {}
        place = 0
        for line in lines:
            if line.startswith("0x"):
                place = int(line, 16)
                told[place] = ()
            else:
                source = next(lines, "")
                if line != _UNKNOWN:
                    told[place] = (*told[place], Frame(short_name(line), _source(source)))
        return told

    def _demangled(self, names: Iterable[str]) -> Mapping[str, str]:
        mangled = sorted(name for name in names if name.startswith("_Z"))
        if not mangled:
            return {}
        plain = self._output("c++filt", (), "".join(f"{name}\n" for name in mangled).encode())
        return {name: short_name(text) for name, text in zip(mangled, plain, strict=False)}

    def _output(self, tool: str, arguments: tuple[str, ...], asked: bytes) -> Iterator[str]:
        command = ShellCommand(tool, arguments, timeout=_TIMEOUT)
        result = self.commands.execute(command, log_dir=self.scratch, stdin=asked)
        if result.exit_code == 0 and result.stdout_path is not None:
            with result.stdout_path.open(encoding="utf-8", errors="replace") as file:
                yield from (line.rstrip("\n") for line in file)


class _Regions:
    """Finds the mapped file of an address."""

    def __init__(self, regions: tuple[Region, ...]) -> None:
        self._regions = regions
        self._starts = [region.start for region in regions]

    def at(self, address: int) -> Region | None:
        """Return the region that ``address`` is in."""
        found = bisect.bisect_right(self._starts, address) - 1
        return self._regions[found] if found >= 0 and address < self._regions[found].end else None


def _addresses(stacks: Iterable[Addresses]) -> set[int]:
    return {address for stack in stacks for address in stack}


def _source(text: str) -> str:
    """Return ``file.c:12`` for what addr2line says about a place, nothing where it does not know."""
    path, _, line = text.partition(" (discriminator")[0].rpartition(":")
    return f"{PurePosixPath(path).name}:{line}" if path and not path.startswith(_UNKNOWN) and line.isdigit() else ""


def short_name(name: str) -> str:
    """Return a function's name without types: ``Server::handle`` for ``void Server::handle<int>(Packet const&)``."""
    for pattern in (_ARGUMENTS, _TEMPLATE):
        while pattern.search(name):
            name = pattern.sub("", name)
    return _RESULT_TYPE.sub(r"\1", name)
