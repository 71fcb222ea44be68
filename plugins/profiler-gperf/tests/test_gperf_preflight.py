"""What gperftools cannot see is refused before anything starts, with the reason and a way out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from panther_profiler_gperf.cpu import CpuEnvironment
from panther_profiler_gperf.elf import ElfError, read_elf
from panther_profiler_gperf.heap import HeapEnvironment
from panther_profiler_gperf.options import CpuOptions, HeapOptions

from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import InstrumentTarget, Layer, LayerRole, Seconds, ServiceCommand, ShellCommand

EMPTY = "int main(void) { return 0; }\n"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[RecordingContext]:
    with recording_context(tmp_path / "attempt", name="profiles/one/gperf") as made:
        yield made


def compiled(folder: Path, *options: str, source: str = EMPTY) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    (folder / "program.c").write_text(source)
    built = folder / "program"
    done = subprocess.run(["cc", *options, "-o", built, folder / "program.c"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a compiler that can do {' '.join(options)}")
    return built


def problems(
    context: RecordingContext, program: object, *, heap: bool = False, others: tuple[str, ...] = (), **more: Any
) -> str:
    options = {key: value for key, value in more.items() if key not in ("runtime", "stop_signal", "env")}
    tool = HeapEnvironment(context, HeapOptions(**options)) if heap else CpuEnvironment(context, CpuOptions(**options))
    command = ServiceCommand(program=ShellCommand(str(program), env=more.get("env", {})))
    target = InstrumentTarget(
        service="one",
        command=command,
        runtime=more.get("runtime", "native"),
        stop_signal=more.get("stop_signal", 15),
        others=others,
    )
    return "\n".join(map(str, tool.check(target)))


def test_a_dynamic_program_is_accepted(context: RecordingContext, tmp_path: Path) -> None:
    built = compiled(tmp_path)
    assert problems(context, built) == ""
    assert problems(context, built, heap=True) == ""


def test_a_static_program_is_refused(context: RecordingContext, tmp_path: Path) -> None:
    built = compiled(tmp_path, "-static")
    for heap in (False, True):
        said = problems(context, built, heap=heap)
        assert "is a static program" in said
        assert "perf" in said


def test_a_go_program_is_refused(context: RecordingContext, tmp_path: Path) -> None:
    marked = 'static const char info[] __attribute__((section(".go.buildinfo"), used)) = "go";\n' + EMPTY
    assert "is a Go program" in problems(context, compiled(tmp_path, source=marked))


@pytest.mark.parametrize(("runtime", "said"), [("go", "is a Go program"), ("static", "is a static program")])
def test_what_a_service_says_about_its_program_counts(context: RecordingContext, runtime: str, said: str) -> None:
    assert said in problems(context, "/only/in/an/image", runtime=runtime)
    assert problems(context, "/only/in/an/image") == ""


def test_a_setuid_program_is_refused(context: RecordingContext, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a file to another user")
    built = compiled(tmp_path)
    os.chown(built, 65534, 65534)
    built.chmod(0o4755)
    assert "is a setuid or setgid program" in problems(context, built)


def test_a_program_for_gprof_is_refused_by_sampling_only(context: RecordingContext, tmp_path: Path) -> None:
    built = compiled(tmp_path, "-pg")
    assert "is built with -pg" in problems(context, built)
    assert problems(context, built, heap=True) == ""


def test_a_program_with_an_allocator_of_its_own_is_refused_by_the_heap_profile_only(
    context: RecordingContext, tmp_path: Path
) -> None:
    source = "#include <stddef.h>\nvoid *malloc(size_t size) { return (void *)(size * 0); }\n" + EMPTY
    built = compiled(tmp_path, "-rdynamic", source=source)
    assert "brings an allocator of its own" in problems(context, built, heap=True)
    assert problems(context, built) == ""


def test_a_program_with_address_sanitizer_is_refused(context: RecordingContext, tmp_path: Path) -> None:
    assert "-fsanitize=address" in problems(context, compiled(tmp_path, "-fsanitize=address"))


def test_a_script_counts_as_its_interpreter(context: RecordingContext, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    compiled(tmp_path, "-static").rename(tmp_path / "bin" / "interpreter")
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env interpreter\n")
    assert "is a static program" in problems(context, script, env={"PATH": str(tmp_path / "bin")})
    script.write_text("#!/bin/sh\n")
    assert problems(context, script) == ""


def test_a_program_that_starts_the_one_of_interest_may_be_anything(context: RecordingContext, tmp_path: Path) -> None:
    assert problems(context, compiled(tmp_path, "-static"), target_process="server") == ""


def test_a_program_that_will_be_killed_is_refused(context: RecordingContext) -> None:
    assert "switch_signal: SIGRTMAX" in problems(context, "true", stop_signal=9)
    assert problems(context, "true", stop_signal=9, switch_signal="SIGUSR2") == ""
    assert "dump_signal: SIGRTMAX" in problems(context, "true", heap=True, stop_signal=9)
    assert problems(context, "true", heap=True, stop_signal=9, time_interval=Seconds(1)) == ""


def test_options_that_cannot_work_are_refused(context: RecordingContext) -> None:
    assert "with strace" in problems(context, "true", heap=True, leak_check="normal", others=("strace",))
    with pytest.raises(ValueError, match="give one of them"):
        CpuOptions(frequency=100, sampling_rate=200.0)
    with pytest.raises(ValueError, match="gperf_heap has no sampling_rate"):
        HeapOptions(sampling_rate=5.0)
    with pytest.raises(ValueError, match="4000"):
        CpuOptions(sampling_rate=5000.0)
    with pytest.raises(ValueError, match="name of a signal"):
        CpuOptions(switch_signal="SIGNONE")
    with pytest.raises(ValueError, match="whole seconds"):
        HeapOptions(time_interval=Seconds(0.5))


def test_both_libraries_and_the_programs_own_are_preloaded_together(context: RecordingContext) -> None:
    plain = ServiceCommand(program=ShellCommand("true", env={"LD_PRELOAD": "own.so"}))
    outer = Layer(role=LayerRole.INSTRUMENT, by="strace", argv=("strace", "--"), forks=True)
    both = HeapEnvironment(context).wrap(CpuEnvironment(context).wrap(plain.wrapped(outer)))
    assert [text for text in both.argv if text.startswith("LD_PRELOAD=")] == [
        "LD_PRELOAD=libtcmalloc.so.4:libprofiler.so.0:own.so"
    ]
    assert both.argv[:3] == ("strace", "--", "env")


def test_damaged_files_are_no_elf_files(tmp_path: Path) -> None:
    whole = compiled(tmp_path).read_bytes()
    for number, content in enumerate((b"\x7fELF", whole[:100], whole[:-200], b"#!/bin/sh\n")):
        path = tmp_path / f"damaged-{number}"
        path.write_bytes(content)
        with pytest.raises(ElfError):
            read_elf(path)
