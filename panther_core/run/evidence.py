"""What an attempt leaves behind, gathered and made into checks, measurements and artifacts."""

from __future__ import annotations

import itertools
import json
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs

from panther_core.checks import ExitCodeCheck, ThatCheck
from panther_core.plan.cases import PlannedCase
from panther_core.run.compose import Prepared
from panther_core.run.engine import Engine
from panther_core.run.placeholders import fill_command
from panther_hookspecs import (
    Artifact,
    CheckResult,
    EnvironmentUnavailableError,
    Evidence,
    Measurement,
    PantherExperimentError,
    Process,
    ScenarioEvidence,
    TestExecutionError,
    UnsupportedError,
    Verdict,
)

MESSAGES = "messages.jsonl"
MOST_MESSAGES = 500
"""More than a person looks at; the rest is in the files of evidence from which they come."""


def place_files(prepared: Mapping[str, Prepared]) -> None:
    """Write the files that the service plans bring, and the commands as a person can repeat them."""
    for one in prepared.values():
        for name in one.plan.folders:
            _inside(one, name).mkdir(parents=True, exist_ok=True)
        made = one.plan.make_files(one.inside) if one.plan.make_files else {}
        for name, content in {**one.plan.files, **made}.items():
            target = _inside(one, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        program = attrs.evolve(
            one.launch.command.program, command=one.launch.command.argv[0], args=one.launch.command.argv[1:]
        )
        (one.folder / "command.txt").write_text(program.to_string() + "\n", encoding="utf-8")


def _inside(one: Prepared, name: str) -> Path:
    target = one.folder / name
    if ".." in Path(name).parts or not target.is_relative_to(one.folder):  # nothing ran yet that could have made a link
        raise TestExecutionError(f"service {one.service.name} wants to write {name!r} outside of its folder")
    return target


def run_phase(phase: str, prepared: Mapping[str, Prepared], engine: Engine) -> None:
    """Run the commands of ``pre_run`` or ``post_run`` for each service, in start order."""
    for name, one in prepared.items():
        for number, command in enumerate(getattr(one.plan, phase), 1):
            engine.check_cancelled()
            filled = fill_command(command, one.known, f"{phase} of service {name}")
            placed = filled if filled.working_dir else attrs.evolve(filled, working_dir=str(one.folder))
            result = engine.commands.execute(placed, log_dir=one.folder / phase, name=f"{number}")
            if result.exit_code != 0:
                last = (result.stderr.strip() or result.stdout.strip()).splitlines()[-1:]
                raise TestExecutionError(
                    f"{phase} of service {name} failed: {placed.command}: {result.exit}"
                    + "".join(f"\n  {line}" for line in last)
                )


def refuse_start_failure(name: str, process: Process) -> None:
    """Raise if the program could not even be started."""
    status = process.exit
    if status is not None and status.reason == "start_failed":
        raise EnvironmentUnavailableError(f"service {name} {status}")


def refuse_declined(prepared: Mapping[str, Prepared], processes: Mapping[str, Process]) -> None:
    """Raise if a service has said by its exit code that it cannot do what was asked for; nobody saw it get ready."""
    for name, one in prepared.items():
        status = processes[name].exit
        if status is not None and status.code is not None and status.code == one.launch.ready.declines:
            raise UnsupportedError(f"service {name} declines with exit code {status.code}")


def outputs_of(name: str, one: Prepared, folder: Path) -> tuple[list[CheckResult], list[Artifact]]:
    """Return a failed check for every promised file that is missing, and an artifact for every file that is there."""
    checks: list[CheckResult] = []
    artifacts = [
        Artifact(path=str((one.folder / stream).relative_to(folder)), kind=stream, service=name)
        for stream in ("stdout", "stderr")
        if (one.folder / stream).exists()
    ]
    for output in one.plan.outputs:
        found = sorted(path for path in one.folder.glob(output.pattern) if path.is_file() and path.stat().st_size)
        artifacts += [Artifact(path=str(path.relative_to(folder)), kind=output.kind, service=name) for path in found]
        if output.required and not found:
            checks.append(
                CheckResult(
                    name=f"{output.kind} of {name}",
                    verdict=Verdict.FAIL,
                    evidence=f"{output.pattern} is missing or empty",
                )
            )
    return checks, artifacts


def placed(artifacts: Iterable[Artifact], own: Path, attempt: Path) -> Iterator[Artifact]:
    """Yield a plugin's artifacts, whose paths are relative to its own folder, relative to the attempt's folder."""
    for artifact in artifacts:
        path = own / artifact.path
        inside = path.is_relative_to(attempt)
        yield attrs.evolve(artifact, path=str(path.relative_to(attempt))) if inside else artifact


def usage_of(name: str, process: Process) -> Iterator[Measurement]:
    """Yield what the service cost, where that is known."""
    usage = process.usage
    if usage.source == "unknown":
        return
    yield Measurement(name="cpu_seconds", value=usage.cpu_user + usage.cpu_system, unit="s", service=name)
    yield Measurement(name="max_rss_bytes", value=usage.max_rss_bytes, unit="B", service=name)
    yield Measurement(name="read_bytes", value=usage.read_bytes, unit="B", service=name)
    yield Measurement(name="write_bytes", value=usage.write_bytes, unit="B", service=name)


def capped(name: str, process: Process) -> Iterator[str]:
    """Yield a note for every output that was cut off at its limit."""
    streams: Mapping[str, int] = getattr(process, "capped", {})
    for stream, written in streams.items():
        yield f"{stream} of service {name} was cut off: it wrote {written} bytes; the end is in {stream}.tail"


def _view(case: PlannedCase, seen: Evidence) -> ScenarioEvidence:
    roles = {each.name: each.role for each in case.services}
    return ScenarioEvidence(evidence=seen, roles=roles, parameters=case.parameters, seed=case.seed)


def measured(case: PlannedCase, seen: Evidence) -> Iterator[Measurement]:
    """Yield the numbers that the scenario finds in the evidence."""
    if case.scenario is not None and case.scenario.measure is not None:
        yield from case.scenario.measure(_view(case, seen))


def write_messages(case: PlannedCase, seen: Evidence) -> Iterator[Artifact]:
    """Write what the services sent to each other, as far as the protocol can tell, for reports to draw.

    Raises what the protocol raises.
    """
    if case.protocol is None or case.protocol.messages is None:
        return
    first = list(itertools.islice(case.protocol.messages(_view(case, seen)), MOST_MESSAGES + 1))
    if first:
        lines = (json.dumps(attrs.asdict(each), separators=(",", ":")) for each in first[:MOST_MESSAGES])
        (seen.folder / MESSAGES).write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
        cut = f"the first {MOST_MESSAGES} messages" if len(first) > MOST_MESSAGES else "messages"
        yield Artifact(path=MESSAGES, kind="messages", title=f"{cut} between the services")


def check_all(case: PlannedCase, seen: Evidence) -> Iterator[CheckResult]:
    """Yield the results of the scenario's checks and of the case's own.

    Where a protocol says what an exchange is, only its scenario can show one. Without a protocol a program
    that ends by itself must end with 0, unless the case has checks of its own that show what was done: numbers do not.
    """
    view = _view(case, seen)
    if case.scenario is not None and case.protocol is not None:
        try:
            yield from case.scenario.check(view)
        except Exception as error:  # noqa: BLE001 - a check that raises is an error of its plugin, with its name
            provider = case.protocol.provider
            yield CheckResult(
                name=f"scenario {case.scenario.name}",
                verdict=Verdict.ERROR,
                evidence=f"the check of {provider.distribution} {provider.version} raised "
                f"{type(error).__name__}: {error}",
            )
    checks = case.checks
    if case.scenario is None and all(isinstance(each, ThatCheck) for each in checks):
        ended = (name for name, status in seen.exits.items() if status.reason != "stopped")
        checks = (*checks, *(ExitCodeCheck(service=name) for name in ended))
    for check in checks:
        result = check.run(view)
        yield result if case.protocol is None else attrs.evolve(result, proves_exchange=False)


def explain(error: BaseException, folder: Path) -> str:
    """Return the error as one reason; the traceback of an unexpected one goes into a file of the attempt."""
    if isinstance(error, PantherExperimentError):
        return str(error)
    target = folder / "traceback.txt"
    target.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {Path(last[0].filename).name}:{last[0].lineno}" if last else ""
    return f"{type(error).__name__}: {error}{place} (see {target.name})"
