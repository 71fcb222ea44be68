"""``perf_stat`` and ``perf_record`` keep what every execution environment keeps."""

from __future__ import annotations

from panther_core.testing.conformance import ExecutionEnvironmentConformance


class TestPerfStat(ExecutionEnvironmentConformance):
    plugin = "panther_profiler_perf.plugin"
    name = "perf_stat"


class TestPerfRecord(ExecutionEnvironmentConformance):
    plugin = "panther_profiler_perf.plugin"
    name = "perf_record"
