"""The execution environments ``memcheck``, ``helgrind`` and ``drd``: defects as findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import Artifact, Finding, MonitoringData
from panther_profiler_valgrind.baseline import baseline_text, read_baseline
from panther_profiler_valgrind.environment import ValgrindEnvironment, folded_text
from panther_profiler_valgrind.figures import measurements_of
from panther_profiler_valgrind.findings import (
    Seen,
    crashes_of,
    findings_of,
    folded_leaks,
    seen_errors,
    suppressions_of,
)
from panther_profiler_valgrind.options import CheckerOptions
from panther_profiler_valgrind.report import Report, read_report

_MOST_CONTEXTS = 1000
"""Different errors after which valgrind reports no more."""


@attrs.define(slots=False)
class CheckerEnvironment(ValgrindEnvironment):
    """A tool that finds defects."""

    options: Any = attrs.field(factory=CheckerOptions)

    def _read(self, files: Mapping[int, Path], main: int) -> MonitoringData:
        every = {pid: read_report(path) for pid, path in files.items()}
        programs = {pid: report.program for pid, report in every.items()}
        chosen = self._chosen(programs)
        if not chosen:
            return MonitoringData(problems=(self._not_chosen(programs),))
        reports = {pid: report for pid, report in every.items() if pid in chosen}
        baseline = read_baseline(self.options.baseline) if self.options.baseline else frozenset()
        errors = seen_errors(reports)
        new = [each for each in errors if each.fingerprint not in baseline]
        known = [each for each in errors if each.fingerprint in baseline]
        findings, accepted = self._findings(reports.values(), new, known, baseline)
        self._tell(reports.values(), accepted, baseline)
        return MonitoringData(
            measurements=tuple(measurements_of(self.options, new, known, reports, self.service)),
            findings=findings,
            artifacts=tuple(self._write(reports.values(), new, findings, accepted)),
            problems=tuple(self._cut_off([pid for pid, report in reports.items() if report.flaw], main)),
        )

    def _findings(
        self, reports: Iterable[Report], new: Iterable[Seen], known: Iterable[Seen], baseline: frozenset[str]
    ) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
        """Return the findings that are new and those that the baseline accepts."""
        place = self.relative(self.results())
        crashes = tuple(crashes_of(reports, self.tool, self.service, place))
        found = (
            *(each for each in crashes if each.fingerprint not in baseline),
            *findings_of(new, self.tool, self.service, place),
        )
        accepted = (
            *(each for each in crashes if each.fingerprint in baseline),
            *findings_of(known, self.tool, self.service, place),
        )
        return found, accepted

    def _tell(self, reports: Iterable[Report], accepted: Sequence[Finding], baseline: frozenset[str]) -> None:
        """Note what a reader of the findings should know."""
        if accepted:
            self.note("info", f"{len(accepted)} findings of {self.tool} on {self.service} are accepted as known")
        gone = baseline - {each.fingerprint for each in accepted}
        if gone:
            self.note(
                "info", f"{len(gone)} findings of the baseline were not seen by {self.tool}: {', '.join(sorted(gone))}"
            )
        for report in reports:
            if len(report.counts) >= _MOST_CONTEXTS:
                self.note(
                    "warning",
                    f"{self.tool} reports no more than {len(report.counts)} different errors of process {report.pid}",
                )

    def _write(
        self, reports: Iterable[Report], new: Sequence[Seen], found: Sequence[Finding], accepted: Sequence[Finding]
    ) -> Iterator[Artifact]:
        """Write what is derived from the reports, and yield all files."""
        tool = self.tool
        yield from self._derived("txt", "".join(_page(found, accepted)), f"findings of {tool}, with their stacks,")
        yield from self._derived("supp", suppressions_of(new), f"valgrind suppressions for the findings of {tool}")
        yield from self._derived("baseline", baseline_text((*found, *accepted)), f"accepts the findings of {tool}")
        yield from self._derived("folded", folded_text(folded_leaks(new)), "leaked bytes")
        for report in reports:
            yield self.artifact(report.path, "valgrind", f"{tool} on process {report.pid} ({report.program})")


def _page(found: Sequence[Finding], accepted: Sequence[Finding]) -> Iterator[str]:
    """Yield the findings as a person reads them."""
    yield f"{len(found)} findings, {len(accepted)} accepted as known\n"
    for title, findings in (("", found), ("known: ", accepted)):
        for each in findings:
            yield f"\n{title}{each.kind} {each.fingerprint}, {each.count} times: {each.message}\n"
            yield from (f"    {line}\n" for line in each.stack)
