"""The page in a real browser: drawn, clicked, searched and walked through with the keyboard."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from panther_report_flamegraph.page import write_page

from panther_core.testing.browser import BROWSER, Browser
from panther_core.testing.conformance import sample_run

EVIL = '<img src=x onerror=document.title="owned">'
STACKS = f"""\
main;serve;parse 100
main;serve;encrypt;fnv1a(char const*, int) 600
main;serve;encrypt 50
main;serve;send;fnv1a(char const*, int) 100
main;idle 100
main;{EVIL} 50
"""

pytestmark = pytest.mark.skipif(not BROWSER, reason="needs chromium")


def write_run(folder: Path) -> Path:
    """Write a run with two cases, one of them repeated, and its page; return the page."""
    view = sample_run(folder, empty=True)
    records: list[dict[str, Any]] = []
    for case, repetition, stacks in (("ping", 1, STACKS), ("ping", 2, STACKS), (EVIL, 1, "main;only 3\n")):
        place = f"cases/{len(records)}/1"
        path = view.folder / place / "profiles/server/gperf_cpu/cpu.folded"
        path.parent.mkdir(parents=True)
        path.write_text(stacks)
        artifact = {"path": "profiles/server/gperf_cpu/cpu.folded", "kind": "folded", "service": "server"}
        records.append(
            {
                "case": place,
                "name": case,
                "repetition": repetition,
                "final": True,
                "verdict": "pass",
                "expected": ["pass"],
                "artifacts": [{**artifact, "title": f"CPU time {EVIL}, samples"}],
                "folder": place,
            }
        )
    (view.folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    write_page(view, view.folder / "flamegraph.html")
    return view.folder / "flamegraph.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_run(tmp_path_factory.mktemp("made") / "run").as_uri()


@pytest.fixture
def opened(browser: Browser, page: str) -> Iterator[Browser]:
    browser.call("Page.navigate", url="about:blank")
    browser.events.clear()
    browser.open(f"{page}#graph=1")
    yield browser
    wrong = [each for each in browser.events if each.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
    assert wrong == []
    asked = [
        each["params"]["request"]["url"] for each in browser.events if each.get("method") == "Network.requestWillBeSent"
    ]
    assert [each for each in asked if each.partition("#")[0] not in (page, "about:blank")] == []
    assert browser.js("document.title") == "Flame graphs of run"


def width(browser: Browser, name: str) -> float:
    """Return how wide the first frame of that name is, as a share of the graph."""
    found: float = browser.js(
        f"""(() => {{ const all = [...document.querySelectorAll('g.frame')], total = svg.getBoundingClientRect().width;
        const one = all.find((each) => each.getAttribute('aria-label').startsWith({json.dumps(name)}));
        return one ? one.querySelector('rect').getBoundingClientRect().width / total : 0; }})()"""
    )
    return found


def focused(browser: Browser) -> str:
    name: str = browser.js("document.querySelector('.focused').getAttribute('aria-label')")
    return name.rpartition(",")[0]


def test_frames_are_as_wide_as_their_share(opened: Browser) -> None:
    assert opened.js("document.getElementById('case').value") == "ping"
    assert "2,000 samples in all" in opened.js("document.getElementById('about').textContent")
    for name, share in (
        ("main", 1.0),
        ("serve", 0.85),
        ("encrypt", 0.65),
        ("fnv1a", 0.6),
        ("idle", 0.1),
        ("<img", 0.05),
    ):
        assert width(opened, name) == pytest.approx(share, abs=0.005), name
    assert opened.js("document.querySelectorAll('#svg img').length") == 0


def test_the_hottest_functions_are_added_up_over_all_callers(opened: Browser) -> None:
    rows = opened.js("[...document.querySelectorAll('#rows tr')].map((each) => each.innerText.replace(/\\s+/g, ' '))")
    assert rows[0] == "fnv1a(char const*, int) 70.0 % 1,400 samples 70.0 %"
    assert rows[-1].startswith(EVIL)


def test_a_click_zooms_and_escape_shows_all_again(opened: Browser) -> None:
    opened.click("g.frame[aria-label^='encrypt']")
    assert width(opened, "encrypt") == pytest.approx(1.0, abs=0.005)
    assert width(opened, "fnv1a") == pytest.approx(600 / 650, abs=0.005)
    assert width(opened, "idle") == 0
    assert "65.0 % of all" in opened.js("document.getElementById('detail').textContent")
    assert opened.js("document.querySelectorAll('.above').length") == 3
    assert "zoom=" in opened.js("location.hash")
    opened.key("Escape")
    assert width(opened, "encrypt") == pytest.approx(0.65, abs=0.005)


def test_a_search_marks_frames_and_says_their_share_without_counting_twice(opened: Browser) -> None:
    opened.key("/")
    for letter in "FNV1a":
        opened.key(letter)
    assert opened.js("document.getElementById('found').textContent") == "70.0 % in 2 frames"
    assert opened.js("document.querySelectorAll('.hit').length") == 2
    opened.js("search('/^(serve|encrypt)$/')")
    assert opened.js("document.getElementById('found').textContent") == "85.0 % in 1 frame"
    opened.js("search('/(/')")
    assert opened.js("document.getElementById('found').textContent") == "no match"
    opened.click("#rows button")
    assert opened.js("document.getElementById('found').textContent") == "70.0 % in 2 frames"


def test_hovering_tells_counts_and_shares(opened: Browser) -> None:
    opened.click("g.frame[aria-label^='all']")
    opened.point("g.frame[aria-label^='idle']")
    assert opened.js("document.getElementById('tip').hidden") is False
    assert opened.js("document.getElementById('tip').textContent") == (
        "idle\n200 samples, 10.0 % of all\nitself 200 samples, 10.0 %"
    )


def test_the_keyboard_reaches_every_frame(opened: Browser) -> None:
    opened.js("svg.focus()")
    seen = []
    for key in (
        "ArrowDown",
        "ArrowDown",
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowLeft",
        "ArrowLeft",
        "ArrowDown",
        "ArrowUp",
    ):
        opened.key(key)
        seen.append(focused(opened))
    assert seen == ["main", "serve", "idle", EVIL, EVIL, "idle", "serve", "encrypt", "serve"]
    opened.key("Enter")
    assert width(opened, "serve") == pytest.approx(1.0, abs=0.005)
    opened.key("Home")
    assert focused(opened) == "all"


def test_the_graph_can_be_turned_over(opened: Browser) -> None:
    top = "document.querySelector(\"g.frame[aria-label^='main']\").getBoundingClientRect().y"
    before = opened.js(top)
    opened.click("#flip")
    assert opened.js(top) > before
    opened.js("svg.focus()")
    opened.key("ArrowUp")
    assert focused(opened) == "main"
    opened.click("#flip")
    assert opened.js(top) == before


def test_case_and_repetition_can_be_chosen(opened: Browser) -> None:
    labels = opened.js("[...document.getElementById('profile').options].map((each) => each.text)")
    assert labels == ["server, gperf_cpu, 2 repetitions", "server, gperf_cpu, #1", "server, gperf_cpu, #2"]
    opened.js(
        "profile = document.getElementById('profile'); profile.value = '2'; profile.dispatchEvent(new Event('change'))"
    )
    assert "1,000 samples in all" in opened.js("document.getElementById('about').textContent")
    opened.js(
        f"box = document.getElementById('case'); box.value = {json.dumps(EVIL)}; box.dispatchEvent(new Event('change'))"
    )
    assert width(opened, "only") == pytest.approx(1.0, abs=0.005)


def test_an_address_brings_back_the_same_view(opened: Browser, page: str) -> None:
    opened.call("Page.navigate", url="about:blank")
    opened.open(f"{page}#graph=1&zoom=2&search=fnv1a&flip=1")
    assert width(opened, "serve") == pytest.approx(1.0, abs=0.005)
    assert opened.js("document.querySelectorAll('.hit').length") == 2
    opened.call("Page.navigate", url="about:blank")
    opened.open(f"{page}#graph=99&zoom=-4&search=%3Cb%3E")
    assert opened.js("document.querySelectorAll('g.frame').length") > 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(opened: Browser, scheme: str) -> None:
    opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    colours = opened.js(
        """[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor,
        ...[...document.querySelectorAll('g.frame')].filter((each) => each.querySelector('text')).flatMap((each) =>
        [getComputedStyle(each.querySelector('text')).fill, getComputedStyle(each.querySelector('rect')).fill])]"""
    )
    pairs = list(zip(colours[::2], colours[1::2], strict=True))
    assert len(pairs) > 5
    assert all(contrast(*pair) >= 4.5 for pair in pairs), [(pair, contrast(*pair)) for pair in pairs]
    picture = base64.b64decode(opened.call("Page.captureScreenshot")["data"])
    assert picture.startswith(b"\x89PNG")
    opened.call("Emulation.setEmulatedMedia", features=[])


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours as accessibility guidelines define it."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(each) / 255 for each in colour.strip("rgba()").split(",")[:3]]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_run_without_profiles_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    view = sample_run(tmp_path / "run")
    write_page(view, tmp_path / "page.html")
    browser.call("Page.navigate", url="about:blank")
    browser.open((tmp_path / "page.html").as_uri())
    assert "execution_environments" in browser.js("document.body.innerText")
    assert browser.js("document.getElementById('controls').hidden") is True
