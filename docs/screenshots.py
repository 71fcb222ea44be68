"""Takes the pictures of the documentation from real runs: every page that PANTHER makes, in a real browser.

    python docs/screenshots.py [FOLDER]         default: docs/images

Needs chromium, valgrind and strace. Pictures are quantised: a reader loads all of them in the time of one.
"""

from __future__ import annotations

import base64
import contextlib
import io
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
from PIL import Image
from rich.console import Console
from rich.text import Text

from panther_core.cli.main import main
from panther_core.serve import Server, Site
from panther_core.testing.browser import Browser

ROOT = Path(__file__).parents[1]
MOST_BYTES = 60 * 1024
COLOURS = 48
QUIC = """
name: interop
description: Two implementations of QUIC with each other, in five scenarios.
protocol: quic
network_environment: localhost
seed: 42
matrix: {client: [aioquic, qh3], server: [aioquic, qh3]}
test_cases:
  - {name: handshake, scenario: handshake}
  - {name: http3, scenario: http3}
  - {name: chacha20, scenario: chacha20, parameters: {files: [100KiB]}}
  - {name: retry, scenario: retry}
  - {name: zerortt, scenario: zerortt}
"""
LOAD = """
name: load
protocol: minip
network_environment: localhost
repeat: 2
test_cases:
  - name: load
    scenario: load
    type: performance
    matrix: {server: [ping-pong-c, ping-pong-py], client.rate: [200, 1000]}
    services:
      client: {implementation: load, duration: 1s, warmup: 0s}
"""
PAIRS = """
name: pairs
protocol: minip
network_environment: localhost
seed: 42
repeat: 6
matrix: {server: [ping-pong-c, ping-pong-py], client: [ping-pong-c, ping-pong-py]}
test_cases:
  - {name: ping, scenario: ping, parameters: {count: COUNT}}
  - {name: liar, scenario: ping, services: {server: {variant: VARIANT}}}
  - name: watched
    scenario: ping
    repeat: 1
    matrix: {server: [ping-pong-c], client: [ping-pong-c]}
    execution_environments: [callgrind]
"""


@attrs.frozen(kw_only=True)
class Shot:
    """One picture: where, of what part, how wide."""

    name: str
    address: str
    part: str = "body"
    """What is shown, from its top on."""
    width: int = 1000
    height: int = 640
    """The most that is shown of it."""
    dark: bool = False
    before: str = ""
    """A script that opens or chooses something first."""


def shots(runs: Path, served: str) -> Iterator[Shot]:
    """Yield what there is to see."""
    interop, pairs = ((runs / name / "report.html").as_uri() for name in ("interop", "pairs-3"))
    yield Shot(name="report-matrix", address=interop, height=560)
    opened = "document.querySelector('.detail h3')"
    yield Shot(name="report-case", address=f"{interop}#c=0", part=".detail > td", before=opened, height=760)
    yield Shot(name="report-dark", address=pairs, dark=True, height=520)
    yield Shot(name="report-comparison", address=pairs, part="#comparison", height=620)
    yield Shot(name="report-numbers", address=f"{pairs}#m=client+minip.rtt.median", part="#numbers", height=420)
    yield Shot(name="report-pictures", address=pairs, part="#pictures", width=1100, height=620)
    yield Shot(name="report-narrow", address=interop, width=400, height=640)
    yield Shot(name="flamegraph", address=(runs / "pairs-3" / "flamegraph.html").as_uri(), height=620)
    yield Shot(name="plots", address=(runs / "load" / "graphs.html").as_uri(), width=1100, height=760)
    yield Shot(name="serve-runs", address=f"{served}/", height=420)
    yield Shot(name="serve-run", address=f"{served}/runs/pairs-3/", height=420)
    yield Shot(
        name="serve-history", address=f"{served}/history?experiment=pairs&metric=client.cpu_seconds+(s)", dark=True
    )
    yield Shot(name="terminal", address=(runs / "terminal.html").as_uri(), part="pre", width=900, height=420)


def make_runs(runs: Path) -> None:
    """Run what the pictures are taken of."""
    files = {"interop": QUIC, "load": LOAD}
    for number, (count, variant) in enumerate(((5, "functional"), (5, "functional"), (20, "fail")), 1):
        files[f"pairs-{number}"] = PAIRS.replace("COUNT", str(count)).replace("VARIANT", variant)
    for name, text in files.items():
        (runs / f"{name}.yaml").write_text(text, encoding="utf-8")
        code = main(["run", str(runs / f"{name}.yaml"), "--output", str(runs / name), "--ui", "quiet"])
        assert code in (0, 1), f"{name} could not be run"
    for name in ("interop", "load"):
        main(["report", str(runs / name), "--format", "html"])
    main(["report", str(runs / "load"), "--format", "plots"])
    main(["report", str(runs / "pairs-3"), "--format", "html", "--against", str(runs / "pairs-2")])
    main(["report", str(runs / "pairs-3"), "--format", "flamegraph"])
    _terminal(runs)


def _terminal(runs: Path) -> None:
    """Put what the console prints on a page: with its colours, in the font of a terminal."""
    command = [sys.executable, "-m", "panther_core", "--color", "always", "run", "pairs-3.yaml", "--ui", "lines"]
    words = ["--set", "repeat=1", "--output", "terminal"]
    done = subprocess.run([*command, *words], cwd=runs, capture_output=True, text=True, check=False)
    console = Console(record=True, width=110, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text("$ panther run pairs.yaml"), Text.from_ansi(done.stdout + done.stderr), sep="\n")
    style = "pre{{display:inline-block;padding:12px 16px;margin:0;font:13px/1.5 monospace;background:#fff}}"
    page = console.export_html(inline_styles=True, code_format="<style>" + style + "</style><pre>{code}</pre>")
    (runs / "terminal.html").write_text(f"<!DOCTYPE html><meta charset='utf-8'>{page}", encoding="utf-8")


def take(browser: Browser, shot: Shot) -> Image.Image:
    """Return one picture."""
    browser.call("Emulation.setDeviceMetricsOverride", width=shot.width, height=900, deviceScaleFactor=1, mobile=False)
    browser.call("Emulation.setScrollbarsHidden", hidden=True)  # they would go when the picture is taken, and move all
    scheme = {"name": "prefers-color-scheme", "value": "dark" if shot.dark else "light"}
    browser.call("Emulation.setEmulatedMedia", features=[scheme])
    browser.call("Page.navigate", url="about:blank")
    browser.open(shot.address)
    browser.until("!document.getElementById('details') || document.documentElement.dataset.ready === 'yes'")
    if shot.before:
        browser.until(f"({shot.before}) !== null")
    browser.js(f"document.querySelector({shot.part!r}).scrollIntoView({{behavior: 'instant'}})")
    browser.js("document.querySelectorAll('img').forEach(each => { each.loading = 'eager'; })")
    browser.until("[...document.querySelectorAll('img')].every(each => each.complete)")
    x, y, width, height = browser.js(
        f"(() => {{ const b = document.querySelector({shot.part!r}).getBoundingClientRect();"
        " return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
    )
    clip = {
        "x": max(x - 8, 0),
        "y": y,
        "width": min(width + 16, shot.width),
        "height": min(height, shot.height),
        "scale": 1,
    }
    taken = browser.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def save(image: Image.Image, path: Path) -> None:
    """Write a picture in as few colours as it needs; fewer where it is still too large."""
    colours = COLOURS
    while True:
        few = image.quantize(colours, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES or colours <= COLOURS // 8:
            break
        colours //= 2
    assert path.stat().st_size <= MOST_BYTES, f"{path.name} is larger than {MOST_BYTES} bytes"


@contextlib.contextmanager
def served(runs: Path) -> Iterator[str]:
    """Serve the runs; give the address."""
    server = Server(Site(runs, {}), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def screenshots(target: Path) -> None:
    """Make the runs, then the pictures."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="panther-pictures-") as name:
        runs = Path(name) / "runs"
        runs.mkdir()
        make_runs(runs)
        browser = Browser(Path(name) / "profile")
        try:
            with served(runs) as address:
                for shot in shots(runs, address):
                    path = target / f"{shot.name}.png"
                    save(take(browser, shot), path)
                    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
        finally:
            browser.close()


if __name__ == "__main__":
    screenshots(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
