"""A measured case: warm-up aside, everybody's share told, disturbances and busy clients named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from panther_test_performance.noise import Noise
from panther_test_performance.options import NoiseLimits
from panther_test_performance.sampling import Sample, Sampler, used_between

from panther_core.testing import MakeProject

LOAD = """
name: load
protocol: minip
network_environment: localhost
test_cases:
  - name: load
    scenario: load
    type: {{type: performance, repeats: 0{more}}}
    services:
      server: {{implementation: ping-pong-py}}
      client: {{implementation: load, rate: {rate}, duration: 500ms, warmup: 0s}}
"""
CALM = ", noise: {pressure: 1, steal: 1, throttled: 1}"


def test_a_load_is_measured_in_its_first_run(panther_project: MakeProject) -> None:
    text = LOAD.format(rate=200, more=f"{CALM}, start_error: 10s, saturated: 1")
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    outcome.assert_verdicts({"load": "pass"})
    seen = outcome.measurements()
    assert seen["load.answered"] == 100
    assert seen["load.latency.p50"] >= seen["load.service_time.p50"]
    assert 0 < seen["server.performance.cpu_share"] < 2
    assert seen["client.performance.rss_max"] > 1 << 20
    assert (seen["performance.noisy"], seen["performance.client_bound"]) == (0, 0)
    assert not outcome.cases()[0]["findings"]
    assert outcome.text("performance/series.csv").startswith("time,service,cpu_seconds,rss_bytes")
    assert not (outcome.folder() / "services" / "client" / "run-1").exists()


def test_a_load_that_cannot_keep_up_is_called_the_bottleneck(panther_project: MakeProject) -> None:
    text = LOAD.format(rate=400_000, more=CALM).replace("500ms", "100ms")
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    found = [each["message"] for each in outcome.cases()[0]["findings"] if each["kind"] == "client-bound"]
    assert found
    assert found[0].startswith("client was the bottleneck: ")
    assert outcome.measurements()["performance.client_bound"] == 1


def test_a_disturbed_measurement_is_made_again_and_marked(panther_project: MakeProject) -> None:
    more = ", noise: {pressure: 0}"
    text = LOAD.format(rate=200, more=more).replace("repeats: 0", "repeats: 1")
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    seen = outcome.measurements()
    if "performance.pressure" not in seen:
        pytest.skip("only where the kernel tells about pressure")
    if not seen["performance.pressure"]:
        pytest.skip("only where something else wants the processor")
    assert (seen["performance.noisy"], seen["performance.repeated"]) == (1, 1)
    assert (outcome.folder() / "services" / "client" / "run-1" / "load.json").is_file()
    assert next(each["kind"] for each in outcome.cases()[0]["findings"]) == "noisy"
    assert seen["server.work.twice"] == 0


def test_ordinary_clients_run_once_to_warm_up_and_once_to_be_measured(panther_project: MakeProject) -> None:
    text = f"""
name: ping
protocol: minip
network_environment: localhost
test_cases:
  - name: ping
    scenario: ping
    implementation: ping-pong-py
    type: {{type: performance, repeats: 0{CALM}}}
"""
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    outcome.assert_verdicts({"ping": "pass"})
    assert outcome.measurements()["performance.seconds"] > 0
    assert outcome.text("services/client/run-1/transcript.jsonl").count('"start"') == 1
    assert outcome.text("services/client/transcript.jsonl").count('"start"') == 1
    assert outcome.measurements()["client.minip.rtt.median"] > 0


def test_without_a_warm_up_the_first_run_is_measured(panther_project: MakeProject) -> None:
    text = f"""
name: ping
protocol: minip
network_environment: localhost
test_cases:
  - name: ping
    scenario: ping
    implementation: ping-pong-py
    type: {{type: performance, warmup: 0, repeats: 0{CALM}}}
"""
    outcome = panther_project({"x.yaml": text}).run("run x.yaml")
    outcome.assert_verdicts({"ping": "pass"})
    assert outcome.measurements()["performance.seconds"] > 0
    assert outcome.text("services/server/transcript.jsonl").count('"HELLO"') == 1


def test_what_a_process_used_is_seen_from_outside() -> None:
    spin = "import time\nend = time.monotonic() + 0.5\nwhile time.monotonic() < end: pass"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", spin]) as running:
        with Sampler({"spin": lambda: [running.pid]}, 0.02) as sampler:
            running.wait()
        cpu = sampler.samples["spin"][-1].cpu
    ended = os.times().children_user
    assert 0 < cpu <= ended + 0.05


def test_between_two_samples_use_grows_evenly() -> None:
    samples = [Sample(at=0.0), Sample(at=10.0, cpu=5.0, rss=7, read=100, written=10)]
    assert used_between(samples, 2, 4) == Sample(at=4, cpu=1.0, rss=7, read=20, written=2)
    assert used_between(samples, -5, 50).cpu == 5.0
    assert used_between([], 0, 1) == Sample(at=1)


def test_only_what_the_kernel_tells_counts_as_noise() -> None:
    noise = Noise.of({"steal": 0.1, "held_back": 0.25, "busy": 1.0})
    assert noise == Noise(pressure=None, steal=0.1, throttled=0.25)
    assert noise.beyond(NoiseLimits()) == ["steal 10% > 5%", "throttled 25% > 1%"]
