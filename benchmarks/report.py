"""How large the HTML report of a large run is, how long it takes to write, and how long a browser takes to show it.

    python benchmarks/report.py                     8 x 8 implementations x 14 tests, then 10,000 cases
    python benchmarks/report.py --cases 500         another number

The runs are made of one real case, recorded once and multiplied with other names, verdicts and numbers: the page is
made of records and evidence, and it is their number that counts. Budgets: 300 KiB for the matrix, 1 MiB for 10,000
cases, 1.5 s in the browser beyond what an empty page takes in the same run, no URL. What is over its budget is said.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panther_report_html.page import write_page

from panther_core.cli.main import main
from panther_core.plugin_manager import PluginManager
from panther_core.reports.handed import HandedRun
from panther_core.results import DirectoryView
from panther_core.testing.browser import BROWSER, Browser
from panther_hookspecs import ReportDescriptor

EXPERIMENT = """
name: one
protocol: minip
network_environment: localhost
test_cases:
  - {name: ping, scenario: ping, implementation: ping-pong-py}
"""
IMPLEMENTATIONS = tuple(f"implementation-{letter}" for letter in "abcdefgh")
TESTS = (
    *("handshake", "transfer", "longrtt", "chacha20", "multiplexing", "retry", "resumption"),
    *("zerortt", "http3", "blackhole", "keyupdate", "ecn", "v2", "ipv6"),
)
MATRIX = len(IMPLEMENTATIONS) ** 2 * len(TESTS)
SMALL, LARGE, SECONDS = 300, 1024, 1.5
"""Budgets: KiB of the matrix, KiB of any more, seconds in the browser beyond an empty page."""
VERDICTS = ("pass",) * 14 + ("fail", "fail", "unsupported", "flaky", "error", "inconclusive")


def recorded(folder: Path) -> tuple[dict[str, Any], Path]:
    """Run one case for real; return its record and its run."""
    (folder / "one.yaml").write_text(EXPERIMENT)
    main(["run", str(folder / "one.yaml"), "--output", str(folder / "one"), "--ui", "quiet"])
    return json.loads((folder / "one" / "results.jsonl").read_text()), folder / "one"


def cells(count: int) -> Iterator[tuple[str, str, str, int]]:
    """Yield test, server, client and repetition."""
    for number in range(count):
        rest, test = divmod(number, len(TESTS))
        rest, server = divmod(rest, len(IMPLEMENTATIONS))
        again, client = divmod(rest, len(IMPLEMENTATIONS))
        yield TESTS[test], IMPLEMENTATIONS[server], IMPLEMENTATIONS[client], again + 1


def multiplied(record: dict[str, Any], source: Path, target: Path, count: int) -> DirectoryView:
    """Write a run of ``count`` cases that look like the one that was recorded."""
    dice = random.Random(count)
    target.mkdir()
    for name in ("resolved.yaml", "panther.lock.json"):
        shutil.copy(source / name, target / name)
    evidence = source / record["folder"]
    events = [json.loads(line) for line in (source / "events.jsonl").read_text().splitlines()]
    about = [each for each in events if each["entity_id"] == record["case"]]
    begin = events[: events.index(about[0])]
    with (target / "results.jsonl").open("w") as results, (target / "events.jsonl").open("w") as told:
        told.writelines(json.dumps(each) + "\n" for each in begin)
        for test, server, client, repetition in cells(count):
            identity, verdict = f"{test}-{dice.getrandbits(48):012x}", dice.choice(VERDICTS)
            folder = target / "cases" / identity / "1"
            shutil.copytree(evidence, folder)
            made = {
                **record,
                "case": identity,
                "name": test,
                "cell": {"server": server, "client": client},
                "repetition": repetition,
                "verdict": verdict,
                "as_expected": verdict in ("pass", "unsupported"),
                "why": record["why"] if verdict == "pass" else f"pings: PONG {dice.randrange(9)} is wrong",
                "seconds": dice.lognormvariate(0, 1),
                "services": {
                    name: {**each, "implementation": server if name == "server" else client}
                    for name, each in record["services"].items()
                },
                "measurements": [{**each, "value": each["value"] * dice.random()} for each in record["measurements"]],
                "folder": str(folder.relative_to(target)),
            }
            results.write(json.dumps(made) + "\n")
            told.writelines(json.dumps({**each, "entity_id": identity}) + "\n" for each in about)
    return DirectoryView(target)


def shown(browser: Browser, page: Path, ready: str) -> float:
    """Return the seconds until a page says that it is ready."""
    browser.call("Page.navigate", url="about:blank")
    since = time.monotonic()
    browser.open(page.as_uri())
    while not browser.js(ready):
        time.sleep(0.005)
    return time.monotonic() - since


def measure(count: int, record: dict[str, Any], source: Path, folder: Path, browser: Browser | None) -> None:
    """Make one run, write its report, open it; print what that took."""
    drawers = tuple(each for each in PluginManager.load().registry.all(ReportDescriptor) if each.figures)
    view = HandedRun(
        folder=multiplied(record, source, folder / f"run-{count}", count).folder, drawers=drawers, warn=print
    )
    since = time.process_time()
    write_page(view, view.folder / "report.html")
    spent, page = time.process_time() - since, (view.folder / "report.html").read_bytes()
    budget = SMALL if count <= MATRIX else LARGE
    line = f"{count:7,} cases: {len(page) / 1024:7.0f} KiB, written in {spent:5.2f} s CPU"
    line += f", OVER {budget} KiB" if len(page) > budget * 1024 else ""
    line += ", WITH A URL" if b"://" in page else ""
    if browser:
        empty = folder / "empty.html"
        empty.write_text("<!DOCTYPE html><title>empty</title>")
        floor = min(shown(browser, empty, "true") for _ in range(3))
        took = min(
            shown(browser, view.folder / "report.html", "document.documentElement.dataset.ready === 'yes'")
            for _ in range(3)
        )
        line += f", shown in {took:.2f} s (an empty page: {floor:.2f} s)"
        line += f", OVER {SECONDS} s" if took - floor > SECONDS else ""
        if browser.complaints():
            line += f", the browser complains: {browser.complaints()[0][:200]}"
    print(line)


def benchmark() -> None:
    """Measure the sizes that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, action="append", metavar="N", help="number of cases; may be repeated")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record, source = recorded(folder)
        browser = Browser(folder / "profile") if BROWSER else None
        try:
            for count in args.cases or (MATRIX, 10_000):
                measure(count, record, source, folder, browser)
        finally:
            if browser:
                browser.close()


if __name__ == "__main__":
    benchmark()
