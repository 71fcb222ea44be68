"""The page of a real run in a real browser: sorted, filtered, walked through with the keyboard, without a complaint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panther_core.testing import PantherProject
from panther_core.testing.browser import BROWSER, Browser

MATRIX = """
name: who
protocol: minip
network_environment: localhost
repeat: 2
matrix:
  server: [ping-pong-py]
  client: [ping-pong-c, ping-pong-py]
test_cases:
  - {name: ping, scenario: ping}
  - {name: liar, scenario: ping, services: {server: {variant: fail}}}
"""

COMPARED = """
name: watched
protocol: minip
network_environment: localhost
implementation: ping-pong-py
test_cases:
  - {name: watched, scenario: ping, execution_environments: [strace]}
  - {name: liar, scenario: ping, services: {server: {variant: fail}}, expect: fail}
"""

pytestmark = pytest.mark.skipif(not BROWSER, reason="needs chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the page about a real run."""
    project = PantherProject.create(tmp_path_factory.mktemp("made") / "project", {"who.yaml": MATRIX})
    return (project.run("run who.yaml --report html").run / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def set_against(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the page about a run that is compared with an earlier one."""
    files = {"old.yaml": COMPARED, "new.yaml": COMPARED.replace(", expect: fail", "")}
    project = PantherProject.create(tmp_path_factory.mktemp("made") / "project", files)
    for name in ("old", "new"):
        project.run(f"run {name}.yaml --output runs/{name}")
    project.run("report runs/new --format html --against runs/old")
    return (project.folder / "runs/new/report.html").as_uri()


class Page:
    """The page, opened anew."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address

    def go(self, fragment: str = "") -> None:
        self.browser.call("Page.navigate", url="about:blank")
        self.browser.open(self.address + fragment)
        self.until("document.documentElement.dataset.ready === 'yes'")

    def until(self, condition: str) -> None:
        self.browser.until(condition)

    def rows(self) -> list[str]:
        found: list[str] = self.browser.js(
            "[...document.querySelectorAll('#rows .open')].map(each => each.textContent)"
        )
        return found

    def js(self, expression: str) -> Any:
        return self.browser.js(expression)


@pytest.fixture
def opened(browser: Browser, page: str) -> Iterator[Page]:
    yield from _opened(browser, page)


@pytest.fixture
def against(browser: Browser, set_against: str) -> Iterator[Page]:
    yield from _opened(browser, set_against)


def _opened(browser: Browser, address: str) -> Iterator[Page]:
    browser.events.clear()
    found = Page(browser, address)
    found.go()
    yield found
    assert browser.complaints() == []


def test_every_case_is_listed_those_to_look_at_first(opened: Page) -> None:
    assert len(opened.rows()) == 8
    assert [each.startswith("liar") for each in opened.rows()] == [True] * 4 + [False] * 4


def test_what_is_typed_filters_and_stays_in_the_address(opened: Page) -> None:
    opened.browser.key("/")
    assert opened.js("document.activeElement.id") == "filter"
    opened.browser.call("Input.insertText", text="client=ping-pong-c !liar")
    opened.until("document.querySelectorAll('#rows .open').length === 2")
    assert opened.rows() == [
        "ping[server=ping-pong-py, client=ping-pong-c]",
        "ping[server=ping-pong-py, client=ping-pong-c] #2",
    ]
    opened.until("location.hash === '#q=client%3Dping-pong-c+%21liar'")
    opened.go(opened.js("location.hash"))
    assert len(opened.rows()) == 2


def test_columns_sort_up_and_down_and_back(opened: Page) -> None:
    before = opened.rows()
    opened.browser.click("th[data-sort=name] button")
    assert opened.rows() == sorted(before)
    assert opened.js("document.querySelector('th[data-sort=name]').getAttribute('aria-sort')") == "ascending"
    opened.browser.click("th[data-sort=name] button")
    assert opened.rows() == sorted(before, reverse=True)
    opened.browser.click("th[data-sort=name] button")
    assert opened.rows() == before


def test_a_link_of_the_matrix_opens_its_case_with_messages_and_commands(opened: Page) -> None:
    opened.browser.click(".matrix .chip.fail")
    opened.until("document.querySelector('.detail svg path.arrow') !== null")
    told = opened.js("document.querySelector('.detail').textContent")
    assert "HELLO" in told
    assert "stage.exchange" in told
    assert "the WELCOME carries digest" in told
    assert "--variant fail" in told


def test_files_of_evidence_can_be_followed(opened: Page) -> None:
    opened.go("#c=0")
    opened.until("document.querySelector('.detail a[href$=stdout]') !== null")
    target = opened.js("document.querySelector('.detail a[href$=stdout]').href")
    assert Path(target.removeprefix("file://")).is_file()


def test_the_keyboard_walks_through_the_cases(opened: Page) -> None:
    opened.js("document.querySelector('.open').focus()")
    opened.browser.key("ArrowDown")
    assert opened.js("document.activeElement.dataset.case") == "1"
    opened.browser.key("Enter")
    opened.until("document.getElementById('detail-1') !== null")
    opened.until("location.hash === '#c=1'")


def test_flame_graphs_and_plots_of_other_reports_are_shown(against: Page) -> None:
    against.js("document.querySelector('#pictures').scrollIntoView({behavior: 'instant'})")
    against.until(
        "[...document.querySelectorAll('#gallery img')].every(each => each.complete && each.naturalWidth > 100)"
    )
    titles = against.js("[...document.querySelectorAll('#gallery b')].map(each => each.textContent)")
    assert "watched: client, strace" in titles
    assert against.js("[...document.querySelectorAll('#gallery a')].length") >= 1


def test_a_case_that_differs_from_the_earlier_run_is_found_by_its_link(against: Page) -> None:
    against.browser.click("#comparison a[href^='#q=liar']")
    against.until("document.getElementById('filter').value === 'liar'")
    assert against.rows() == ["liar"]


def test_numbers_are_drawn_with_every_point(opened: Page) -> None:
    assert opened.js("document.querySelectorAll('#chart circle').length") == 8
    ticks = opened.js("[...document.querySelectorAll('#chart svg > g:last-child text')].map(each => each.textContent)")
    assert len(ticks) > 1
    digits = [each.partition("e")[0].replace(".", "").strip("0-") for each in ticks]
    assert all(re.fullmatch(r"(\d\d?)?", each) for each in digits), f"ends of an axis are round: {ticks}"
    opened.go("#m=client+minip.rtt.median&v=pass")
    assert opened.js("document.querySelectorAll('#chart circle').length") == 4
    assert opened.js("document.getElementById('measure').value") == "client minip.rtt.median"


def test_nothing_of_an_open_case_sticks_out_of_a_narrow_screen(opened: Page) -> None:
    size = {"height": 800, "deviceScaleFactor": 1, "mobile": False}
    opened.browser.call("Emulation.setDeviceMetricsOverride", width=400, **size)
    try:
        opened.go("#c=0")
        opened.until("document.querySelector('.detail') !== null")
        assert opened.js("document.documentElement.scrollWidth") <= 400
        assert opened.js("document.querySelector('.detail').getBoundingClientRect().right") <= 400
    finally:
        opened.browser.call("Emulation.clearDeviceMetricsOverride")
