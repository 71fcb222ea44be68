"""The files of both reports: what is in them, what is left out, and what cannot get out of them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from panther_report_flamegraph.collect import graphs_of
from panther_report_flamegraph.page import write_page
from panther_report_flamegraph.picture import figures
from panther_report_flamegraph.speedscope import write_speedscope
from panther_report_flamegraph.stacks import added, frames_of, stacks_in

from panther_core.testing.conformance import sample_run
from panther_hookspecs import RunView

HOSTILE = '</script><img src=x onerror="alert(1)">&amp;{{data}}\u2028 \x00\x1b[31m 測試'
Make = Callable[..., RunView]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a run from (case, repetition, path of the artifact, content)."""

    def run(files: Sequence[tuple[str, int, str, str]], title: str = "CPU time, samples", name: str = "run") -> RunView:
        view = sample_run(tmp_path / name, empty=True)
        records: list[dict[str, Any]] = []
        for case, repetition, path, content in files:
            folder = f"cases/{len(records)}/1"
            target = view.folder / folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
            records.append(record(case, repetition, folder, [artifact(path, title)]))
        (view.folder / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
        return view

    return run


def artifact(path: str, title: str = "CPU time, samples") -> dict[str, str]:
    return {"path": path, "kind": "folded", "service": "server", "title": title}


def record(case: str, repetition: int, folder: str, artifacts: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {
        "case": f"{case}-{repetition}",
        "name": case,
        "cell": {"server": "c"},
        "repetition": repetition,
        "attempt": 1,
        "final": True,
        "verdict": "pass",
        "expected": ["pass"],
        "as_expected": True,
        "instruments": ["gperf_cpu"],
        "artifacts": list(artifacts),
        "folder": folder,
    }


CPU = "profiles/server/gperf_cpu/cpu.folded"


class Parsed(HTMLParser):
    """Collects elements, attributes and the content of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.content: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag + ("#" + str(dict(attrs)["id"]) if "id" in dict(attrs) else "")

    def handle_data(self, data: str) -> None:
        self.content[self._open] = self.content.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def page_of(run: RunView, folder: Path) -> tuple[str, Parsed, dict[str, Any]]:
    write_page(run, folder / "page.html")
    text = (folder / "page.html").read_text()
    parsed = Parsed(text)
    return text, parsed, json.loads(parsed.content["script#data"])


def test_stacks_are_read_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.folded"
    path.write_bytes(
        b"a;b 2\na;b 1.5\n\nnonsense\na;c nan\na;c inf\na;c -1\na;c 0\n 7\nod\xffd name(int, char) 3\ntorn;sta"
    )
    assert stacks_in(path) == {"a;b": 3.5, "od\ufffdd name(int, char)": 3.0}


def test_frames_come_from_the_root_on_the_heaviest_first_with_exact_weights() -> None:
    frames = frames_of({"main;parse": 3, "main;send;encrypt": 5, "main": 2, "idle": 1})
    assert [(each.depth, each.name, each.total, each.own) for each in frames] == [
        (0, "", 11, 0),
        (1, "main", 10, 2),
        (2, "send", 5, 0),
        (3, "encrypt", 5, 5),
        (2, "parse", 3, 3),
        (1, "idle", 1, 1),
    ]


def test_small_frames_are_left_out_and_their_weight_is_known() -> None:
    frames = frames_of({"main;big": 9_994, "main;small": 4, "main;tiny;x": 1, "tail": 1})
    assert [each.name for each in frames] == ["", "main", "big"]
    assert [each.hidden for each in frames] == [1, 5, 0]
    assert all(each.own + each.hidden <= each.total for each in frames)


def test_no_graph_has_more_frames_than_can_be_drawn() -> None:
    stacks = {f"main;a{index % 100};b{index}": 1.0 for index in range(1500)}
    assert len(frames_of(stacks)) == 1602
    few = frames_of(stacks, most=200)
    assert len(few) == 102
    assert sum(each.own + each.hidden for each in few) == 1500


def test_deep_recursion_is_drawn() -> None:
    frames = frames_of({";".join(["again"] * 5000): 1.0})
    assert [frames[-1].depth, frames[-1].own, len(frames)] == [5000, 1, 5001]


def test_a_profile_of_a_hundred_thousand_stacks_becomes_a_graph_that_can_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "large.folded"
    names = [f"function_{index}" for index in range(997)]
    with path.open("w") as file:
        for index in range(100_000):
            stack = ";".join(names[index * step % 997] for step in range(2, 30))
            file.write(f"main;loop;{stack} {1 + index % 7}\n")
    frames = frames_of(added([stacks_in(path)]))
    assert 1000 < len(frames) <= 20_000
    assert sum(each.own + each.hidden for each in frames) == frames[0].total


def test_repetitions_are_added_up_and_can_be_looked_at_one_by_one(make: Make) -> None:
    run = make([("ping", 1, CPU, "main;a 1\n"), ("ping", 2, CPU, "main;a 2\nmain;b 4\n"), ("echo", 1, CPU, "main 8\n")])
    found = [
        (each.source.case, each.label, each.frames[0].total, each.source.profile.counted) for each in graphs_of(run)
    ]
    assert found == [
        ("echo[server=c]", "server, gperf_cpu", 8, "samples"),
        ("ping[server=c]", "server, gperf_cpu, 2 repetitions", 7, "samples"),
        ("ping[server=c]", "server, gperf_cpu, #1", 1, "samples"),
        ("ping[server=c]", "server, gperf_cpu, #2", 6, "samples"),
    ]


def test_of_many_files_only_the_sums_are_drawn(make: Make) -> None:
    graphs = graphs_of(make([("ping", number, CPU, "main 1\n") for number in range(1, 102)]))
    assert [(each.label, each.frames[0].total) for each in graphs] == [("server, gperf_cpu, 101 repetitions", 101)]


def test_of_very_many_graphs_each_is_drawn_more_coarsely(make: Make) -> None:
    profile = "".join(f"main;f{index} 1\n" for index in range(1000))
    few, many = (
        graphs_of(make([("one", 1, CPU, profile)])),
        graphs_of(make([(f"c{n}", 1, CPU, profile) for n in range(150)], name="many")),
    )
    assert (len(few[0].frames), len(many), len(many[0].frames)) == (1002, 150, 2)


def test_several_files_of_an_instrument_are_told_apart(tmp_path: Path) -> None:
    view = sample_run(tmp_path / "run", empty=True)
    paths = [f"profiles/server/dhat/{name}.folded" for name in ("dhat.live.123", "dhat.total.123")]
    for path in paths:
        (view.folder / "c/1" / path).parent.mkdir(parents=True, exist_ok=True)
        (view.folder / "c/1" / path).write_text("main 1\n")
    line = json.dumps(record("ping", 1, "c/1", [artifact(path) for path in paths]))
    (view.folder / "results.jsonl").write_text(line + "\n")
    assert [each.label for each in graphs_of(view)] == ["server, dhat dhat.live", "server, dhat dhat.total"]


def test_files_outside_of_the_run_missing_and_empty_ones_are_left_out(make: Make, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password 1\n")
    run = make([("empty", 1, CPU, ""), ("good", 1, CPU, "main 1\n")])
    lines = [record("evil", 1, "cases/0/1", [artifact("../../../../secret"), artifact("missing.folded")])]
    with (run.folder / "results.jsonl").open("a") as file:
        file.writelines(json.dumps(each) + "\n" for each in lines)
    assert [each.source.case for each in graphs_of(run)] == ["good[server=c]"]


def test_the_page_is_one_file_without_any_address(make: Make, tmp_path: Path) -> None:
    text, parsed, _ = page_of(make([("ping", 1, CPU, "main;a 1\n")]), tmp_path)
    addresses = re.sub(r"http://www\.w3\.org/2000/svg", "", text)  # the name of SVG, which nobody fetches
    assert not re.search(r"\b(?:https?|ftp|wss?)://|//\w+\.\w", addresses)
    assert not [
        tag for tag, given in parsed.tags if {"src", "href", "style"} & set(given) or tag in ("link", "img", "iframe")
    ]
    assert not [key for _, given in parsed.tags for key in given if key.startswith("on")]
    assert len(text) < 40_000


def test_the_policy_of_the_page_allows_its_own_script_and_style_and_nothing_else(make: Make, tmp_path: Path) -> None:
    _, parsed, _ = page_of(make([("ping", 1, CPU, "main;a 1\n")]), tmp_path)
    (policy,) = [given["content"] for tag, given in parsed.tags if "http-equiv" in given]
    hashes = {
        name: base64.b64encode(hashlib.sha256(parsed.content[name].encode()).digest()).decode()
        for name in ("script", "style")
    }
    assert policy == f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'"


def test_hostile_names_stay_text(make: Make, tmp_path: Path) -> None:
    stack = HOSTILE.replace(";", "").replace("\x00", "").replace("\u2028", "")
    plain, shape, _ = page_of(make([("ping", 1, CPU, "main;a 1\n")]), tmp_path)
    hostile_run = make([(HOSTILE + "\ud800", 1, CPU, f"main;{stack} 1\n")], title=HOSTILE, name="{{data}}<b>")
    text, parsed, data = page_of(hostile_run, tmp_path)
    assert parsed.tags == [*shape.tags]
    assert data["names"][-1] == stack
    assert data["graphs"][0]["case"].startswith(HOSTILE)
    assert text.count("</script>") == plain.count("</script>") == 2
    assert "<title>Flame graphs of {{data}}&lt;b&gt;</title>" in text


def test_the_data_of_the_page_is_compact_and_complete(make: Make, tmp_path: Path) -> None:
    _, _, data = page_of(make([("ping", 1, CPU, "main;a 1\nmain;b;a 2.5\n")]), tmp_path)
    (graph,) = data["graphs"]
    assert [data["names"][index] for index in graph["name"]] == ["", "main", "b", "a", "a"]
    assert (graph["depth"], graph["total"], graph["own"]) == (
        [0, 1, 2, 3, 2],
        [3.5, 3.5, 2.5, 2.5, 1],
        [0, 0, 0, 2.5, 1],
    )
    assert graph["file"] == f"cases/0/1/{CPU}"


def test_speedscope_gets_every_weight_once(make: Make, tmp_path: Path) -> None:
    run = make([("ping", 1, CPU, "main;a 9990\nmain 4\nmain;tiny 1\nidle;b 2000\n")], title="time, microseconds")
    write_speedscope(run, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    names = [each["name"] for each in document["shared"]["frames"]]
    (profile,) = document["profiles"]
    stacks = {
        ";".join(names[index] for index in stack): weight
        for stack, weight in zip(profile["samples"], profile["weights"], strict=True)
    }
    assert stacks == {"main;a": 9990, "main": 4, "main;(too small to show)": 1, "idle;b": 2000}
    assert (profile["type"], profile["unit"], profile["startValue"], profile["endValue"]) == (
        "sampled",
        "microseconds",
        0,
        11995,
    )
    assert document["$schema"].endswith("file-format-schema.json")
    assert profile["name"] == "ping[server=c]: server, gperf_cpu"


def elements(svg: str) -> list[Element]:
    return list(fromstring(svg))  # noqa: S314 - our own text


def test_another_report_is_handed_each_graph_once_as_a_picture_with_its_hottest_functions(make: Make) -> None:
    content = "main;parse 30\nmain;send 60\nmain 10\n"
    path = "profiles/server/gperf_cpu/cpu.folded"
    (figure,) = figures(make([("ping", 1, path, content), ("ping", 2, path, content)]))
    assert figure.title == "ping[server=c]: server, gperf_cpu, 2 repetitions"
    assert figure.about == "hottest by themselves: send 60%, parse 30%, main 10%"
    boxes = [
        (float(each.attrib["x"]), float(each.attrib["width"]))
        for each in elements(figure.svg)
        if "width" in each.attrib
    ]
    assert boxes == [(0, 999.5), (0, 999.5), (0, 599.5), (600, 299.5)]


def test_a_picture_with_hostile_names_is_still_one_document(make: Make) -> None:
    (figure,) = figures(make([("x", 1, "profiles/server/strace/x.folded", f"{HOSTILE.replace(';', '')} 1\n")]))
    assert {each.tag.rpartition("}")[2] for each in elements(figure.svg)} == {"style", "rect", "text"}
