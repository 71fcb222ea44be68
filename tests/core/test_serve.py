"""The pages of many runs: what they show, and what nobody gets to see or to do through them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import pytest

from panther_core.serve import Server, Site
from panther_core.serve.history import ticks
from panther_core.testing.conformance import sample_run

EVIL = "<img src=x onerror=alert(1)>"


@attrs.frozen
class Reader:
    """Asks the server as a browser would."""

    port: int

    def ask(self, path: str, method: str = "GET", host: str = "") -> tuple[int, Mapping[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host or f"127.0.0.1:{self.port}")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
        connection.close()
        return answer.status, dict(answer.getheaders()), body


def _content(folder: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a folder with two runs of one experiment, and a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    sample_run(tmp_path / "runs" / "one")
    shutil.copytree(tmp_path / "runs" / "one", tmp_path / "runs" / "two")
    return tmp_path / "runs"


@pytest.fixture
def reader(base: Path) -> Iterator[Reader]:
    server = Server(Site(base, {"report.html": lambda run: f"made of {run.name}".encode()}), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Reader(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


def test_all_runs_are_listed_and_one_that_cannot_be_read_hides_no_other(base: Path, reader: Reader) -> None:
    (base / "broken").mkdir()
    (base / "broken" / "resolved.yaml").write_text("name: [")
    status, headers, page = reader.ask("/")
    assert status == 200
    assert all(f'href="/runs/{name}/"' in page for name in ("one", "two"))
    assert "Cannot be read" in page
    assert "broken" in page
    assert "script" not in headers["Content-Security-Policy"]


def test_a_run_shows_what_was_not_as_expected_with_its_reason_as_text(base: Path, reader: Reader) -> None:
    journal = base / "one" / "results.jsonl"
    odd = {"why": EVIL, "name": EVIL, "as_expected": False, "expected": []}
    lines = [{**json.loads(line), **odd} for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(each) + "\n" for each in lines))
    status, _, page = reader.ask("/runs/one/")
    assert status == 200
    assert "&lt;img src=x" in page
    assert "<img" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/runs/one/../../secret.txt",
        "/runs/one/%2e%2e/%2e%2e/secret.txt",
        "/runs/one/..%2f..%2fsecret.txt",
        "/runs/../secret.txt",
        "/runs/%2e%2e/secret.txt",
        "/runs/one//etc/passwd",
        "/runs/one/%2fetc%2fpasswd",
        "/runs/one/results.jsonl%00",
        "/runs/one/.hidden",
        "/runs/one/outside",
        "/runs/one/way/secret.txt",
        "/runs/elsewhere/resolved.yaml",
        "/runs/one/pipe",
        "/runs",
    ],
)
def test_nothing_outside_of_a_run_can_be_reached(base: Path, reader: Reader, path: str) -> None:
    (base / "one" / ".hidden").write_text("secret")
    (base / "one" / "outside").symlink_to(base.parent / "secret.txt")
    (base / "one" / "way").symlink_to(base.parent)
    os.mkfifo(base / "one" / "pipe")
    elsewhere = base.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "resolved.yaml").write_text("secret")
    (base / "elsewhere").symlink_to(elsewhere)
    status, _, body = reader.ask(path)
    assert status == 404
    assert "secret" not in body.replace("secret.txt", "")


def test_files_are_text_to_read_or_something_to_keep_and_never_pages(base: Path, reader: Reader) -> None:
    (base / "one" / "evil.html").write_text(f"<script>{EVIL}</script>")
    (base / "one" / "program").write_bytes(b"\x7fELF\0")
    _, headers, body = reader.ask("/runs/one/evil.html")
    assert headers["Content-Type"].startswith("text/plain")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert EVIL in body
    _, headers, _ = reader.ask("/runs/one/program")
    assert (headers["Content-Type"], headers["Content-Disposition"]) == ("application/octet-stream", "attachment")
    assert reader.ask("/runs/one/cases")[0] == 301
    assert 'href="/runs/one/cases/' in reader.ask("/runs/one/cases/")[2]


def test_nothing_is_written_and_nothing_can_be_sent(base: Path, reader: Reader) -> None:
    before = _content(base)
    for path in ("/", "/runs/one/", "/runs/one/report.html", "/history?experiment=sample", "/runs/one/cases/"):
        reader.ask(path)
    assert reader.ask("/runs/one/report.html")[2] == "made of one"
    assert reader.ask("/", method="HEAD")[2] == ""
    for method in ("POST", "PUT", "DELETE"):
        assert reader.ask("/runs/one/results.jsonl", method=method)[0] == 501
    assert _content(base) == before


def test_a_page_of_somebody_else_cannot_ask_by_a_name_of_its_own(reader: Reader) -> None:
    assert reader.ask("/", host=f"evil.example:{reader.port}")[0] == 403
    assert reader.ask("/", host=f"localhost:{reader.port}")[0] == 200
    assert reader.ask("/" + "x" * 5000)[0] == 403


def test_a_measurement_is_drawn_over_the_runs_of_its_experiment(base: Path, reader: Reader) -> None:
    name = re.search(r"name: (.+)", (base / "one" / "resolved.yaml").read_text())
    assert name
    status, _, page = reader.ask(f"/history?experiment={name[1].strip()}&metric=seconds")
    assert status == 200
    assert 'href="/runs/one/"' in page
    assert 'href="/runs/two/"' in page
    assert page.count("<polyline") == page.count("<figure")
    assert page.count("<polyline") >= 1
    assert reader.ask("/history?experiment=nobody")[0] == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_where_it_listens_and_ends_when_it_is_told_to(base: Path, number: signal.Signals) -> None:
    ignoring = ["env", "--ignore-signal=INT"]  # as a shell starts what it does not wait for
    command = [*ignoring, sys.executable, "-m", "panther_core", "serve", str(base), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found
        assert Reader(int(found[1])).ask("/")[0] == 200
        process.send_signal(number)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("lowest", "highest", "shown"),
    [
        (0, 6.711, [0, 2, 4, 6]),
        (0, 5, [0, 1, 2, 3, 4, 5]),
        (-3, 14, [0, 5, 10]),
        (0, 0, [0]),
        (0, 0.0042, [0, 1, 2, 3, 4]),
    ],
)
def test_an_axis_has_round_numbers(lowest: float, highest: float, shown: list[float]) -> None:
    scale = 0.001 if 0 < highest < 1 else 1
    assert ticks(lowest, highest) == pytest.approx([each * scale for each in shown])
