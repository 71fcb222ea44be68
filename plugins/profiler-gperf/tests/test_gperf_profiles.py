"""Reading profiles: whole, cut off at any byte, empty, several in one file, and large ones in little memory."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from panther_profiler_gperf.cpu_profile import read_cpu_profile
from panther_profiler_gperf.heap_profile import read_heap_profile, read_heap_totals
from panther_profiler_gperf.stacks import Frame, Function, ProfileError, Stacks, parse_mappings
from panther_profiler_gperf.symbols import ALLOCATORS, short_name

MAPS = b"""\
400000-401000 r--p 00000000 00:00 77 /opt/a server
401000-402000 r-xp 00001000 00:00 77 /opt/a server
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
7f0000001000-7f0000002000 r-xp 00000000 00:00 78 /lib/libx.so.1
7f0000003000-7f0000004000 rw-p 00000000 00:00 0 [heap]
"""
HEAP = b"""\
heap profile:      3:      300 [    10:     1000] @ heapprofile
     2:      200 [     8:      800] @ 0x401010 0x401020
     1:      100 [     2:      200] @ 0x401030 0x401020

MAPPED_LIBRARIES:
"""


def words(*numbers: int) -> bytes:
    return struct.pack(f"={len(numbers)}Q", *numbers)


CPU = words(0, 3, 0, 4000, 0) + words(5, 2, 0x401010, 0x401021, 2, 1, 0x401030, 1, 2, 0x401010, 0x401021)
END = words(0, 1, 0)


def written(folder: Path, content: bytes) -> Path:
    path = folder / "profile"
    path.write_bytes(content)
    return path


def test_a_cpu_profile_is_read(tmp_path: Path) -> None:
    profile = read_cpu_profile(written(tmp_path, CPU + END + MAPS))
    assert profile.stacks == {(0x401010, 0x401020): (6,), (0x401030,): (2,)}
    assert profile.totals == (8,)
    assert profile.period == 0.004
    assert profile.executable == "/opt/a server"
    assert [(each.start, each.offset, each.path) for each in profile.mappings[1:]] == [
        (0x401000, 0x1000, "/opt/a server"),
        (0x7F0000001000, 0, "/lib/libx.so.1"),
    ]


def test_a_cpu_profile_that_ends_early_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    whole = CPU + END + MAPS
    for length in range(len(CPU + END) + 1):
        with pytest.raises(ProfileError) as caught:
            read_cpu_profile(written(tmp_path, whole[:length]))
        assert caught.value.kind == ("empty" if length < 8 else "truncated")
    with pytest.raises(ProfileError, match="memory map"):
        read_cpu_profile(written(tmp_path, whole[:-5]))


def test_profiles_written_over_each_other_are_recognised(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        read_cpu_profile(written(tmp_path, CPU + END + MAPS + CPU + END + MAPS))
    assert caught.value.kind == "several"


@pytest.mark.parametrize("content", [b"heap profile: a text of forty bytes or more", words(*range(9))])
def test_another_file_is_no_cpu_profile(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ProfileError) as caught:
        read_cpu_profile(written(tmp_path, content))
    assert caught.value.kind == "foreign"


def test_a_large_cpu_profile_takes_no_more_memory_than_its_stacks(tmp_path: Path) -> None:
    record = words(1, 30, *range(0x401000, 0x401000 + 30))
    path = written(tmp_path, words(0, 3, 0, 4000, 0) + record * 8_000 + END + MAPS)
    tracemalloc.start()
    profile = read_cpu_profile(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert profile.totals == (8_000,)
    assert path.stat().st_size > 2_000_000
    assert peak < 500_000


def test_a_heap_profile_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, HEAP + MAPS)
    profile = read_heap_profile(path)
    assert profile.stacks == {(0x40100F, 0x40101F): (2, 200, 8, 800), (0x40102F, 0x40101F): (1, 100, 2, 200)}
    assert profile.totals == read_heap_totals(path) == (3, 300, 10, 1000)
    assert profile.executable == "/opt/a server"
    assert profile.kept(1) == 300


@pytest.mark.parametrize(("length", "kind"), [(0, "empty"), (20, "foreign"), (100, "truncated"), (-20, "truncated")])
def test_a_heap_profile_that_ends_early_is_never_taken_for_a_whole_one(tmp_path: Path, length: int, kind: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_heap_profile(written(tmp_path, HEAP[:length]))
    assert caught.value.kind == kind


def test_a_heap_profile_that_was_cut_off_keeps_the_whole_total(tmp_path: Path) -> None:
    lines = HEAP.splitlines(keepends=True)
    profile = read_heap_profile(written(tmp_path, b"".join((lines[0], lines[1], *lines[3:])) + MAPS))
    assert (profile.totals[1], profile.kept(1)) == (300, 200)


def test_odd_lines_of_a_memory_map_are_left_out() -> None:
    assert parse_mappings("zz-yy r--p 0 0 0 /x\n\nbuild=/y\n1-2 r--p 0 0:0 5 [stack]\n") == ()


def test_functions_have_what_is_their_own_and_what_they_call() -> None:
    a, b, main = Frame("a", "a.c:1"), Frame("b"), Frame("main")
    stacks = Stacks.gather([((a, b, main), (3,)), ((b, a, b, main), (2,)), ((a, b, main), (1,)), ((main,), (4,))])
    assert stacks.total() == 10
    assert stacks.functions() == [Function("main", 4, 10), Function("a", 4, 6), Function("b", 2, 6)]
    assert list(stacks.folded()) == ["main 4", "main;b;a 4", "main;b;a;b 2"]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("hot", "hot"),
        ("void Server::handle<int>(Packet const&)", "Server::handle"),
        ("std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector::push_back"),
        ("operator new[](unsigned long)", "operator new[]"),
    ],
)
def test_names_are_shortened(name: str, short: str) -> None:
    assert short_name(name) == short


def test_allocators_are_no_place_that_memory_comes_from() -> None:
    for name in ("malloc", "tc_calloc", "operator new", "operator new[]", "__libc_malloc", "tcmalloc::allocate_full"):
        assert ALLOCATORS.fullmatch(name), name
    for name in ("my_malloc", "malloc_stats", "leak_session", "free_list_push"):
        assert not ALLOCATORS.fullmatch(name), name
