"""Reading callgrind, massif and dhat: exactly what the tools' own readers say about the same files."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import attrs
import pytest
from panther_profiler_valgrind import callgrind, dhat, massif
from panther_profiler_valgrind.options import CallgrindOptions, DhatOptions, MassifOptions, ValgrindOptions
from panther_profiler_valgrind.profile import ProfileError, frame_name
from panther_profiler_valgrind.profiler import ProfilerEnvironment

from panther_core.testing import recording_context
from panther_hookspecs import InstrumentTarget, MonitoringData, ServiceCommand, Share, ShellCommand

needs_tools = pytest.mark.skipif(
    shutil.which("valgrind") is None or shutil.which("cc") is None, reason="needs valgrind and a C compiler"
)
SOURCE = Path(__file__).with_name("programs") / "costs.c"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("programs") / "costs"
    subprocess.run(["cc", "-O1", "-g", "-o", target, SOURCE], check=True)
    return target


@attrs.frozen
class Seen:
    """What a tool has made of a program."""

    data: MonitoringData
    folder: Path

    @property
    def measured(self) -> dict[str, float]:
        return {each.name: each.value for each in self.data.measurements}

    @property
    def file(self) -> Path:
        """What the tool wrote about the service's own process."""
        return min(self.folder.glob("*.out"))

    @property
    def log(self) -> str:
        return min(self.folder.glob("*.log")).read_text()

    def folded(self) -> dict[str, int]:
        (path,) = (each.path for each in self.data.artifacts if each.kind == "folded")
        lines = (self.folder / path).read_text().splitlines()
        return {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}


def run(folder: Path, options: ValgrindOptions, *argv: object, kill: bool = False) -> Seen:
    with recording_context(folder, name=f"profiles/one/{options.TOOL}") as context:
        tool = ProfilerEnvironment(context, options)
        command = ServiceCommand(program=ShellCommand(str(argv[0]), argv[1:]))
        target = InstrumentTarget(service="one", command=command, runtime="native", stop_signal=signal.SIGTERM)
        problems = list(tool.check(target))
        assert not problems, problems
        own = context.attempt / "services" / "one"
        own.mkdir(parents=True)
        process = context.launcher.start(tool.wrap(command), name="one", folder=own)
        tool.start_monitoring(process)
        if kill:
            process.kill()
        assert process.wait(PATIENCE) is not None
        tool.stop_monitoring()
        return Seen(tool.get_monitoring_data(), context.folder)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def annotated(path: Path, *options: str) -> dict[tuple[str, str], int]:
    """Return what callgrind_annotate says about each function of a file."""
    command = ["callgrind_annotate", "--threshold=100", "--auto=no", *options, path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True)
    lines = re.findall(r"^ *([\d,]+) \([ \d.]+%\)  (.+?):(.+?)(?: \[.*\])?$", done.stdout, re.MULTILINE)
    return {(file, function): number(cost) for cost, file, function in lines}


@needs_tools
def test_callgrind_is_read_exactly_as_callgrind_annotate_reads_it(program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", CallgrindOptions(), program)
    found = callgrind.read_calls(seen.file)
    own = {key: cost for key, cost in found.own.items() if cost}
    assert {key: cost for key, cost in annotated(seen.file).items() if cost} == own
    inclusive = annotated(seen.file, "--inclusive=yes")
    assert {key: inclusive[key] for key in found.received} == found.received
    collected = re.search(r"Collected : (\d+)", seen.log)
    assert collected
    assert seen.measured["callgrind.instructions"] == int(collected[1]) == sum(own.values())


@needs_tools
def test_callgrind_finds_the_hot_function_with_its_share(program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", CallgrindOptions(functions=("cold", "fibonacci", "main")), program)
    measured = seen.measured
    (first,) = (each for each in seen.data.measurements if each.name == "callgrind.top1.share")
    assert first.labels["function"] == "hot"
    assert first.value > 0.5
    whole = measured["callgrind.instructions"]
    assert measured["callgrind.function.hot.instructions"] == measured["callgrind.top1.share"] * whole
    hot, cold = measured["callgrind.function.hot.inclusive_share"], measured["callgrind.function.cold.inclusive_share"]
    assert hot / 11 <= cold <= hot / 11 + 0.001
    assert measured["callgrind.function.cold.share"] < 0.001
    assert measured["callgrind.function.fibonacci.calls"] == 1
    assert cold < measured["callgrind.function.main.inclusive_share"] <= 1
    folded = seen.folded()
    assert abs(sum(folded.values()) - whole) <= len(folded)
    assert sum(amount for stack, amount in folded.items() if stack.endswith("main;hot")) > 0.5 * whole
    assert any(stack.endswith("main;cold;hot") for stack in folded)


@needs_tools
def test_a_function_that_never_runs_is_an_error_that_names_similar_ones(program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", CallgrindOptions(functions=("fibonaci",)), program)
    (problem,) = seen.data.problems
    assert problem.what == "the function 'fibonaci' was never called"
    assert "fibonacci" in problem.why


@needs_tools
def test_the_instructions_of_a_forked_process_are_added(program: Path, tmp_path: Path) -> None:
    options = CallgrindOptions(functions=("hot",))
    alone = run(tmp_path / "alone", options, program).measured
    both = run(tmp_path / "both", options, program, "fork").measured
    assert both["callgrind.processes"] == 2
    per_round = alone["callgrind.function.hot.instructions"] / 110_000
    assert both["callgrind.function.hot.instructions"] == pytest.approx(310_000 * per_round, rel=0.001)


@needs_tools
def test_massif_is_read_exactly_as_ms_print_reads_it(program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", MassifOptions(peak_inaccuracy=Share(0), stacks=True), program)
    found = massif.read_heap(seen.file)
    printed = subprocess.run(["ms_print", seen.file], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ +\d+ +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$", printed, re.MULTILINE)
    told = [tuple(number(text) for text in row) for row in rows]
    assert [(each.time, each.total, each.heap, each.extra, each.stacks) for each in found.snapshots] == told
    peak = re.search(r"(\d+) \(peak\)", printed)
    assert peak
    assert seen.measured["massif.peak_bytes"] == told[int(peak[1])][1] == max(row[1] for row in told)
    assert seen.measured["massif.peak_stacks_bytes"] == told[int(peak[1])][4] > 0


@needs_tools
def test_massif_finds_the_peak_and_the_stack_that_holds_it(program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", MassifOptions(), program)
    assert seen.measured["massif.peak_heap_bytes"] == 105_000
    (first,) = (each for each in seen.data.measurements if each.name == "massif.top1.bytes")
    assert first.value == 100_000
    assert first.labels == {"function": "grab", "place": "grab < grab_much < main"}
    assert seen.measured["massif.top1.share"] == 100_000 / seen.measured["massif.peak_bytes"]
    assert seen.folded() == {"main;grab": 5_000, "main;grab_much;grab": 100_000}


@needs_tools
def test_dhat_counts_blocks_as_it_says_itself(program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", DhatOptions(), program)
    measured = seen.measured
    told = {
        name: [number(text) for text in re.findall(r"[\d,]*\d", rest)]
        for name, rest in re.findall(r"(Total|At t-gmax|At t-end|Reads|Writes): +(.*)", seen.log)
    }
    assert told["Total"] == [measured["dhat.total_bytes"], measured["dhat.total_blocks"]]
    assert told["At t-gmax"] == [measured["dhat.peak_bytes"], measured["dhat.peak_blocks"]] == [105_000, 2]
    assert told["At t-end"] == [measured["dhat.end_bytes"], measured["dhat.end_blocks"]]
    assert told["Reads"] == [measured["dhat.read_bytes"]]
    assert told["Writes"] == [measured["dhat.written_bytes"]]
    assert seen.folded()["main;grab_much;grab"] == 100_000
    (first,) = (each for each in seen.data.measurements if each.name == "dhat.top1.bytes")
    assert (first.value, first.labels["function"]) == (100_000, "grab")


@needs_tools
@pytest.mark.parametrize("options", [CallgrindOptions(), MassifOptions(), DhatOptions()], ids=lambda each: each.TOOL)
def test_a_program_that_is_killed_is_a_problem(options: ValgrindOptions, program: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", options, program, kill=True)
    assert [each.what for each in seen.data.problems] == [f"{options.TOOL} has written nothing"]
    assert seen.data.measurements == ()


CALLGRIND = """\
# callgrind format
version: 1
cmd:  ./prog -x
positions: line
events: Dr Ir

ob=(1) /prog
fl=(1) prog.c
fn=(1) main
3 1 10
cfn=(2) work
calls=2 9
4 5 90
* 0 1
fi=(2) inline.h
+2 1 4
fe=(1)

fn=(2)
9 1 30
cfn=(3) work'2
calls=1 9
9 1 60

fn=(3)
9 1 60

totals: 10 105
"""


def test_callgrind_with_several_events_inlined_code_and_recursion(tmp_path: Path) -> None:
    path = tmp_path / "callgrind.1.out"
    path.write_text(CALLGRIND)
    found = callgrind.read_calls(path)
    assert found.total == 105
    assert found.own == {
        ("prog.c", "main"): 11, ("inline.h", "main"): 4, ("prog.c", "work"): 30, ("prog.c", "work'2"): 60,
    }  # fmt: skip
    assert found.inclusive() == {("/prog", "main"): 105, ("/prog", "work"): 90}
    profile = callgrind.profile_of(path)
    assert {each.name: each.amount for each in profile.shares} == {"main": 15, "work": 90}
    assert profile.folded == {"main": 15, "main;work": 90}
    assert profile.program == "./prog"


MASSIF = """\
desc: --massif-out-file=x
cmd: ./prog
time_unit: i
#-----------
snapshot=0
#-----------
time=0
mem_heap_B=0
mem_heap_extra_B=0
mem_stacks_B=0
heap_tree=empty
#-----------
snapshot=1
#-----------
time=5
mem_heap_B=110
mem_heap_extra_B=10
mem_stacks_B=0
heap_tree=peak
n2: 110 (heap allocation functions) malloc/new/new[], --alloc-fns, etc.
 n1: 100 0x1: ns::grow(std::pair<int, char> const&) (a.cpp:6)
  n0: 100 0x2: main (a.cpp:9)
 n0: 10 in 3 places, all below massif's threshold (1.00%)
"""


def test_massif_with_what_is_below_its_threshold(tmp_path: Path) -> None:
    path = tmp_path / "massif.1.out"
    path.write_text(MASSIF)
    profile = massif.profile_of(path)
    assert profile.numbers["peak_bytes"] == 120
    assert profile.folded == {
        "main;ns::grow(std::pair<int, char> const&)": 100,
        "(in 3 places, all below massif's threshold (1.00%))": 10,
    }


POINT = {"tb": 7, "tbk": 1, "gb": 7, "gbk": 1, "eb": 0, "ebk": 0, "rb": 1, "wb": 2, "fs": [1, 2]}
DHAT = {
    "dhatFileVersion": 2,
    "mode": "heap",
    "cmd": "./prog",
    "pps": [POINT],
    "ftbl": ["[root]", "0x1: malloc (in /vg.so)", "0x2: ??? (in /prog)"],
}


def test_dhat_of_a_stripped_program(tmp_path: Path) -> None:
    path = tmp_path / "dhat.1.out"
    path.write_text(json.dumps(DHAT))
    profile = dhat.profile_of(path)
    assert profile.folded == {"[prog]": 7}
    assert profile.shares[0].name == "[prog]"


@pytest.mark.parametrize("kept", [0, 10, 25, 50, 75, 99])
def test_a_file_that_breaks_off_is_never_taken_for_a_result(tmp_path: Path, kept: int) -> None:
    for read, text in (
        (callgrind.profile_of, CALLGRIND.replace("totals: 10 105\n", "")),
        (callgrind.profile_of, CALLGRIND[: len(CALLGRIND) * kept // 100]),
        (massif.profile_of, MASSIF.replace("  n0: 100 0x2: main (a.cpp:9)\n", "")),
        (massif.profile_of, MASSIF[: MASSIF.index("n2:") * kept // 100]),
        (dhat.profile_of, json.dumps(DHAT)[: len(json.dumps(DHAT)) * kept // 100]),
        (dhat.profile_of, json.dumps({**DHAT, "dhatFileVersion": 3})),
    ):
        path = tmp_path / "broken.out"
        path.write_text(text)
        with pytest.raises(ProfileError):
            read(path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("0x1091D0: grab (c.c:6)", "grab"),
        ("0x48417B4: malloc (in /usr/libexec/valgrind/vgpreload_dhat-amd64-linux.so)", "malloc"),
        ("0x1: operator new(unsigned long) (in /x.so)", "operator new(unsigned long)"),
        ("0x10: ??? (in /usr/bin/prog)", "[prog]"),
        ("0x10: ???", "0x10"),
        ("[root]", "[root]"),
    ],
)
def test_the_function_of_a_frame(text: str, name: str) -> None:
    assert frame_name(text) == name
