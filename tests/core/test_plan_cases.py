"""Planning is lazy, deterministic and stable: the same content is the same case in any file, on any day."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core.config import ExperimentConfig, InvalidConfigurationError, load_experiment
from panther_core.config.tree import Mark, Node, Source
from panther_core.plan import PlannedCase, count_cases, plan_cases
from panther_core.plan.matrix import Axis, Change, Matrix
from panther_core.registry import Registry
from panther_hookspecs import (
    ExecutionEnvironmentDescriptor,
    NetworkEnvironmentDescriptor,
    NetworkEnvironmentOptions,
    ProtocolDescriptor,
    Role,
    Seconds,
    ServiceDescriptor,
    TestScenario,
    TestTypeDescriptor,
    Verdict,
    option,
)


@attrs.frozen(kw_only=True)
class Options:
    variant: str = option("plain", help="Variant.")
    count: int = option(1, help="How many.")
    pause: Seconds = option(Seconds(0), help="Pause.")
    file: Path | None = option(None, help="A file.")


@attrs.frozen(kw_only=True)
class Parameters:
    count: int = option(1, help="How many.")
    size: int = option(2, help="How large.")


def never(*_: object) -> Any:
    raise AssertionError("planning makes nothing")


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry()
    scenarios = (
        TestScenario(name="ping", summary="Ping", check=lambda _: (), parameters=Parameters),
        TestScenario(name="fuzz", summary="Fuzz", check=lambda _: ()),
    )
    for descriptor in (
        ProtocolDescriptor(
            name="minip",
            summary="Toy",
            roles=(Role(name="server"), Role(name="client", target="server")),
            scenarios=scenarios,
        ),
        ProtocolDescriptor(
            name="chat", summary="Equals", roles=(Role(name="peer", target="peer"),), scenarios=scenarios[1:]
        ),
        *(
            ServiceDescriptor(name=name, summary=name, protocol="minip", options=Options, factory=never, **more)  # type: ignore[arg-type]
            for name, more in {
                "full": {"versions": ("1", "2")},
                "old": {"versions": ("1",)},
                "server-only": {"roles": ("server",)},
                "no-fuzz": {"scenarios": {"server": ("ping",), "client": ("ping", "fuzz")}},
            }.items()
        ),
        ServiceDescriptor(name="any", summary="Any program", factory=never),
        NetworkEnvironmentDescriptor(name="here", summary="Here", factory=never),
        NetworkEnvironmentDescriptor(
            name="netns",
            summary="There",
            factory=never,
            options=NetworkEnvironmentOptions,
            capabilities=frozenset({"delay", "ipv6", "capture"}),
        ),
        ExecutionEnvironmentDescriptor(name="strace", summary="Calls", factory=never),
        ExecutionEnvironmentDescriptor(name="memcheck", summary="Memory", factory=never, excludes={"strace": "both"}),
        TestTypeDescriptor(name="functional", summary="Runs", stages=()),
        TestTypeDescriptor(name="performance", summary="Measures", stages=(), exclusive=True),
    ):
        found.add(descriptor)
    return found


HEAD = "name: x\nprotocol: minip\nnetwork_environment: here\n"
ONE = "test_cases:\n- {name: a, services: {server: full, client: full}"


def load(folder: Path, registry: Registry, text: str) -> ExperimentConfig:
    path = folder / "x.yaml"
    path.write_text(text)
    return load_experiment(path, registry, environ={})


def plan(folder: Path, registry: Registry, text: str, select: str = "") -> list[PlannedCase]:
    return list(plan_cases(load(folder, registry, text), registry, select=select))


def cells(cases: list[PlannedCase]) -> list[str]:
    return [" ".join(case.cell.values()) for case in cases]


def test_cells_come_in_order_and_repetitions_are_interleaved(tmp_path: Path, registry: Registry) -> None:
    text = (
        HEAD
        + "repeat: 2\nmatrix: {client: [full, old], scenario: [ping, fuzz]}\n"
        + ONE
        + "}\n- {name: b, implementation: old, repeat: 1}\n"
    )
    found = plan(tmp_path, registry, text)
    assert [(case.name, case.repetition) for case in found] == [("a", 1)] * 4 + [("b", 1)] * 4 + [("a", 2)] * 4
    assert cells(found[:4]) == cells(found[8:]) == ["full ping", "full fuzz", "old ping", "old fuzz"]
    assert found[0].described() == "a[client=full, scenario=ping]"


def test_an_axis_of_a_service_replaces_its_implementation_and_keeps_the_rest(
    tmp_path: Path, registry: Registry
) -> None:
    found = plan(
        tmp_path,
        registry,
        HEAD + "test_cases:\n- name: a\n  services:\n    server: full\n"
        "    client: {implementation: full, variant: v}\n  matrix:\n    client: [old, {implementation: "
        "full, count: 3}, {count: 4}]\n",
    )
    clients = [case.services[1] for case in found]
    assert [(each.descriptor.name, each.options.variant, each.options.count) for each in clients] == [
        ("old", "v", 1),
        ("full", "v", 3),
        ("full", "v", 4),
    ]
    assert cells(found) == ["old", "full count=3", "count=4"]


def test_axes_reach_every_part_of_a_test_case(tmp_path: Path, registry: Registry) -> None:
    found = plan(
        tmp_path,
        registry,
        HEAD + "matrix: {network_environment: [here, {type: netns, timeout: 3s}], server.pause: [1s], "
        "parameters.count: [7], timeout: [9s], execution_environments: [[], strace], type: "
        "[performance], capture: [false], "
        "checks: [[{that: 'x < 1'}]]}\n" + ONE + ", scenario: ping, parameters: {size: 5}}\n",
    )
    assert cells(found)[0] == "here 1s 7 9s none performance false that=x < 1"
    last = found[-1]
    assert (last.network.name, last.network_options.timeout, last.services[0].options.pause) == ("netns", 3, 1)
    assert (last.parameters, last.timeout, last.test_type.name) == (Parameters(count=7, size=5), 9, "performance")
    assert ([each.descriptor.name for each in last.instruments], last.instruments[0].services) == (
        ["strace"],
        ("server", "client"),
    )
    assert (last.exclusive, len(last.checks), len(found)) == (True, 1, 4)


def test_excluded_cells_are_left_out_and_included_ones_added(tmp_path: Path, registry: Registry) -> None:
    config = load(
        tmp_path,
        registry,
        HEAD + "matrix:\n  client: [full, old, no-fuzz]\n  server: [full, old]\n  scenario: [ping, fuzz]\n"
        "  exclude: [{client: old, server: old}, {client: [full, no-fuzz], scenario: fuzz}]\n"
        "  include: [{client: old, server: server-only, timeout: 3s}, {client: full, server: full, scenario: fuzz}]\n"
        + ONE
        + "}\n",
    )
    found = list(plan_cases(config, registry))
    assert cells(found) == [
        "full full ping",
        "full old ping",
        "old full ping",
        "old full fuzz",
        "no-fuzz full ping",
        "no-fuzz old ping",
        "old server-only 3s",
        "full full fuzz",
    ]
    assert count_cases(config) == len(found)
    assert found[-2].timeout == 3


def test_counting_agrees_with_walking_for_any_excludes() -> None:
    draw = random.Random(7)
    mark = Mark(Source("generated"))
    for _ in range(200):
        axes = tuple(
            Axis(
                name, tuple(Change(name, (name,), Node(value, mark), str(value)) for value in range(draw.randint(1, 4)))
            )
            for name in "abcd"
        )
        excludes = tuple(
            {
                index: frozenset(draw.sample(axes[index].changes, draw.randint(1, len(axes[index].changes))))
                for index in draw.sample(range(4), draw.randint(1, 3))
            }
            for _ in range(draw.randint(0, 4))
        )
        matrix = Matrix(axes, excludes)
        assert matrix.count() == sum(1 for _ in matrix.cells())


def test_a_star_stands_for_everything_installed_that_plays_the_role(tmp_path: Path, registry: Registry) -> None:
    found = plan(
        tmp_path,
        registry,
        HEAD
        + "matrix: {client: '*', server: [server-only, '*'], scenario: '*'}\n".replace(
            "server: [server-only, '*']", "server: '*'"
        )
        + ONE
        + "}\n",
    )
    assert list(dict.fromkeys(case.cell["client"] for case in found)) == ["full", "no-fuzz", "old"]
    assert list(dict.fromkeys(case.cell["server"] for case in found)) == ["full", "no-fuzz", "old", "server-only"]
    assert list(dict.fromkeys(case.cell["scenario"] for case in found)) == ["ping", "fuzz"]


def test_what_an_implementation_does_not_claim_is_unsupported_not_wrong(tmp_path: Path, registry: Registry) -> None:
    found = plan(
        tmp_path,
        registry,
        HEAD
        + "scenario: fuzz\nmatrix: {server: [full, no-fuzz], client: [full, server-only, no-fuzz]}\n"
        + ONE
        + "}\n",
    )
    assert {" ".join(case.cell.values()): case.unsupported for case in found} == {
        "full full": "",
        "full no-fuzz": "",
        "full server-only": "server-only does not play the role client",
        "no-fuzz full": "no-fuzz does not support fuzz as server",
        "no-fuzz no-fuzz": "no-fuzz does not support fuzz as server",
        "no-fuzz server-only": "no-fuzz does not support fuzz as server; server-only does not play the role client",
    }


def test_a_version_that_only_another_implementation_of_the_axis_has_is_unsupported(
    tmp_path: Path, registry: Registry
) -> None:
    text = HEAD + "matrix: {client: [full, old], client.version: ['1', '2']}\n" + ONE + "}\n"
    assert [case.unsupported for case in plan(tmp_path, registry, text)] == ["", "", "", "old has no version 2"]
    with pytest.raises(InvalidConfigurationError, match="has no version '3'"):
        load(tmp_path, registry, text.replace("'2'", "'3'"))


def test_one_implementation_plays_every_role_that_no_service_plays(tmp_path: Path, registry: Registry) -> None:
    (case,) = plan(
        tmp_path,
        registry,
        HEAD + "test_cases:\n- {name: a, implementation: full, services: {me: {role: client, count: 3}}}\n",
    )
    assert [(each.name, each.descriptor.name, each.role, each.target) for each in case.services] == [
        ("me", "full", "client", "server"),
        ("server", "full", "server", ""),
    ]
    assert case.services[0].options.count == 3


def test_a_service_waits_for_its_target_and_for_what_it_names(tmp_path: Path, registry: Registry) -> None:
    (case,) = plan(
        tmp_path,
        registry,
        HEAD
        + "test_cases:\n- name: a\n  network_environment: {type: netns, service_dependencies: {server: [log]}}\n"
        "  services: {client: {implementation: full, depends_on: [log]}, server: full, log: "
        "{implementation: any, role: server}}\n".replace("client: {", "client: {target: server, "),
    )
    assert {each.name: each.depends_on for each in case.services} == {
        "client": ("log", "server"),
        "server": ("log",),
        "log": (),
    }


def test_peers_that_talk_to_each_other_do_not_wait_for_each_other(tmp_path: Path, registry: Registry) -> None:
    (case,) = plan(
        tmp_path, registry, HEAD.replace("minip", "chat") + "test_cases:\n- {name: a, services: {one: any, two: any}}\n"
    )
    assert [(each.target, each.depends_on) for each in case.services] == [("two", ("two",)), ("one", ())]


def test_without_a_protocol_programs_run_side_by_side(tmp_path: Path, registry: Registry) -> None:
    (case,) = plan(
        tmp_path,
        registry,
        "name: x\nnetwork_environment: here\ntest_cases:\n- {name: a, services: {one: any, two: any}}\n",
    )
    assert (case.protocol, case.scenario, [each.role for each in case.services]) == (None, None, ["one", "two"])


def test_expectations_depend_on_the_cell(tmp_path: Path, registry: Registry) -> None:
    found = plan(
        tmp_path,
        registry,
        HEAD
        + "matrix: {client: [full, old], scenario: [ping, fuzz], client.count: [1, 2]}\n"
        + ONE
        + ", expect: [{when: {client: o*, scenario: [fuzz, x]}, verdict: fail, reason: known}, "
        "{when: {client.count: 2, server: full}, verdict: [pass, flaky]}]}\n",
    )
    expected = {tuple(case.cell.values()): case.expect for case in found}
    assert expected["old", "fuzz", "2"] == {Verdict.FAIL}
    assert expected["old", "ping", "2"] == {Verdict.PASS, Verdict.FLAKY}
    assert expected["full", "fuzz", "1"] == {Verdict.PASS}


def test_defaults_are_merged_key_by_key_and_an_empty_value_takes_one_away(tmp_path: Path, registry: Registry) -> None:
    first, second = plan(
        tmp_path,
        registry,
        HEAD + "execution_environment: strace\nparameters: {count: 3, size: 4}\nscenario: ping\n"
        "services: {server: {implementation: full, variant: v}, client: full}\nlinks: {server-client: {delay: 1ms}}\n"
        "test_cases:\n- {name: a, network_environment: netns, parameters: {size: 5}, services: {server: {count: 2}}}\n"
        "- {name: b, execution_environments: ~, parameters: ~, links: ~}\n",
    )
    assert first.parameters == Parameters(count=3, size=5)
    assert (first.services[0].options.variant, first.services[0].options.count, first.network.name) == ("v", 2, "netns")
    assert (second.parameters, second.instruments, second.links) == (Parameters(), (), {})


def ids(cases: list[PlannedCase]) -> list[str]:
    return [case.case_id for case in cases]


def test_the_identity_is_the_content_and_nothing_else(tmp_path: Path, registry: Registry) -> None:
    base = HEAD + "matrix: {client: [full, old]}\n" + ONE + ", scenario: ping, timeout: 20s}\n"
    known = ids(plan(tmp_path, registry, base))
    assert len(set(known)) == 2
    same = {
        "a comment, another order, defaults written out": "# hello\nnetwork_environment: {type: here, "
        "cleanup_on_exit: true}\nname: x\n"
        "protocol: minip\ntest_cases:\n- services: {client: {implementation: full, variant: plain}, "
        "server: {implementation: full, role: server}}\n"
        "  matrix: {client: [full, old]}\n  timeout: 20000ms\n  name: a\n",
        "what the engine takes anyway": base.replace(
            "timeout: 20s", "timeout: 20s, type: functional, checks: [], links: {}, expect: pass, retry_count: 0"
        ),
        "another seed": "seed: 9\n" + base,
        "an unrelated case before": base.replace("test_cases:\n", "test_cases:\n- {name: z, implementation: full}\n"),
        "another experiment's name": base.replace("name: x", "name: other"),
    }
    for what, text in same.items():
        assert set(known) <= set(ids(plan(tmp_path, registry, text))), what
    different = {
        "timeout": base.replace("20s", "21s"),
        "name": base.replace("name: a", "name: b"),
        "scenario": base.replace("ping", "fuzz"),
        "network": base.replace("environment: here", "environment: netns"),
        "options": base.replace("server: full", "server: {implementation: full, count: 2}"),
        "version": base.replace("server: full", "server: {implementation: full, version: '2'}"),
        "checks": base.replace("timeout: 20s", "timeout: 20s, checks: [{that: 'x < 1'}]"),
        "instruments": base.replace("timeout: 20s", "timeout: 20s, execution_environment: strace"),
        "environment": base.replace("server: full", "server: {implementation: full, environment: {A: b}}"),
    }
    for what, text in different.items():
        assert not set(known) & set(ids(plan(tmp_path, registry, text))), what


def test_repetitions_have_their_own_identity_and_raising_their_number_keeps_the_first(
    tmp_path: Path, registry: Registry
) -> None:
    text = HEAD + "repeat: 2\n" + ONE + "}\n"
    two, three = ids(plan(tmp_path, registry, text)), ids(plan(tmp_path, registry, text.replace("2", "3")))
    assert len(set(three)) == 3
    assert three[:2] == two


def test_identities_and_seeds_are_the_same_in_another_process(tmp_path: Path, registry: Registry) -> None:
    text = HEAD + "seed: 3\nmatrix: {client: [full, old]}\n" + ONE + "}\n"
    found = plan(tmp_path, registry, text)
    code = (
        "import sys, importlib.util, pathlib\n"
        f"spec = importlib.util.spec_from_file_location('again', {str(Path(__file__))!r})\n"
        "again = importlib.util.module_from_spec(spec); sys.modules['again'] = again; spec.loader.exec_module(again)\n"
        f"registry = again.registry._get_wrapped_function()()\n"
        f"print([(c.case_id, c.seed) for c in again.plan(pathlib.Path({str(tmp_path)!r}), registry, {text!r})])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    ).stdout
    assert told.strip() == str([(case.case_id, case.seed) for case in found])


def test_every_case_has_a_seed_of_its_own_that_follows_from_the_one_seed(tmp_path: Path, registry: Registry) -> None:
    text = HEAD + "seed: 1\nrepeat: 3\nmatrix: {client: [full, old]}\n" + ONE + "}\n"
    first, second = plan(tmp_path, registry, text), plan(tmp_path, registry, text.replace("seed: 1", "seed: 2"))
    assert len({case.seed for case in first}) == 6
    assert all(0 <= case.seed < 2**31 for case in first)
    assert all(one.seed != other.seed for one, other in zip(first, second, strict=True))


def test_chance_is_the_same_wherever_a_case_runs_and_whatever_watches_it(tmp_path: Path, registry: Registry) -> None:
    matrix = "seed: 1\nmatrix: {network_environment: [here, netns]}\n"
    watched = HEAD.replace("here", "netns") + "execution_environments: [strace]\nseed: 1\n"
    found = [*plan(tmp_path, registry, HEAD + matrix + ONE + "}\n"), *plan(tmp_path, registry, watched + ONE + "}\n")]
    assert len({case.case_id for case in found}) == 3
    assert len({case.seed for case in found}) == 1


def test_a_relative_path_counts_from_the_file_and_is_the_same_content_elsewhere(
    tmp_path: Path, registry: Registry
) -> None:
    text = HEAD + ONE.replace("server: full", "server: {implementation: full, file: data/x}") + "}\n"
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = plan(tmp_path / "one", registry, text)[0], plan(tmp_path / "other", registry, text)[0]
    assert one.services[0].options.file == tmp_path / "one" / "data/x"
    assert one.case_id == other.case_id


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Hand shake/../../etc", "hand-shake-etc-"),
        ("'quoted \"name\"'", "quoted-name-"),
        ("Größe ✓ 漢字", "groe-"),
        ("漢字", "case-"),
        ("a" * 200, "a" * 40 + "-"),
        ("..", "case-"),
    ],
)
def test_any_printable_name_gives_an_identity_that_is_safe_as_a_folder(
    tmp_path: Path, registry: Registry, name: str, start: str
) -> None:
    config = ExperimentConfig(
        name=name,
        protocol="minip",
        network_environment="here",
        test_cases=[{"name": name, "implementation": "full"}],
    )
    case = next(plan_cases(config, registry))
    assert case.name == name
    assert case.case_id.startswith(start)
    assert set(case.case_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_selections_choose_among_the_cells(tmp_path: Path, registry: Registry) -> None:
    text = (
        HEAD
        + "matrix: {client: [full, old, no-fuzz], scenario: [ping, fuzz]}\n"
        + ONE
        + "}\n- {name: b, implementation: old}\n"
    )
    assert cells(plan(tmp_path, registry, text, "client=*f* and not scenario=ping and name=a")) == [
        "full fuzz",
        "no-fuzz fuzz",
    ]
    assert [case.name for case in plan(tmp_path, registry, text, "server!=full and client=old")] == ["b", "b"]
    config = load(tmp_path, registry, text)
    assert count_cases(config, select="network_environment=here and protocol=minip and type=functional") == 12
    assert count_cases(config, select="client=none") == 0


def written_out(config: ExperimentConfig, tmp_path: Path, registry: Registry) -> ExperimentConfig:
    (tmp_path / "again.yaml").write_text(json.dumps(config.resolved(registry)))
    return load_experiment(tmp_path / "again.yaml", registry)


def test_the_resolved_experiment_has_every_default_and_gives_the_same_cases(tmp_path: Path, registry: Registry) -> None:
    text = (
        HEAD
        + (
            "seed: 5\nrepeat: 2\ntype: performance\nmatrix: {client: '*', scenario: '*', server.count: [1, 2], "
            "exclude: [{client: old, scenario: ping}], include: [{client: full, timeout: 3s}]}\n"
            "execution_environments: [strace]\n"
        )
        + ONE
        + ", expect: [{when: {client: old}, verdict: fail}]}\n- {name: b, implementation: old, matrix: "
        "~, timeout: 20ms}\n"
    )
    config = load(tmp_path, registry, text)
    resolved = config.resolved()
    assert resolved["test_cases"][0]["network_environment"]["cleanup_on_exit"] is True
    assert resolved["test_cases"][0]["matrix"]["client"] == ["full", "no-fuzz", "old"]
    assert resolved["test_cases"][1]["parameters"] == {"count": 1, "size": 2}
    again = written_out(config, tmp_path, registry)
    assert [(case.case_id, case.seed) for case in plan_cases(again, registry)] == [
        (case.case_id, case.seed) for case in plan_cases(config, registry)
    ]
    assert again.resolved() == resolved


def test_what_the_command_line_and_the_environment_say_is_written_out_as_it_is_wanted(
    tmp_path: Path, registry: Registry
) -> None:
    (tmp_path / "e.yaml").write_text(HEAD + ONE + ", timeout: !env SOME}\n")
    sets = ("test_cases.0.repeat=3", "description=7", "capture=false")
    config = load_experiment(tmp_path / "e.yaml", registry, sets=sets, environ={"SOME": "20"})
    resolved = config.resolved(registry)
    case = resolved["test_cases"][0]
    assert (resolved["description"], case["repeat"], case["timeout"], case["capture"]) == ("7", 3, 20, False)
    again = written_out(config, tmp_path, registry)
    assert list(plan_cases(again, registry)) == list(plan_cases(config, registry))


@pytest.mark.parametrize(
    "more",
    [
        "",
        "type: functional, checks: [], links: {}, execution_environments: [], parameters: {}",
        "matrix: {client.count: [1, 2], client.variant: [a], client.pause: [1s, 2]}",
        "matrix: {client: [old, {implementation: full, count: 5}], client.variant: [a, b]}",
        "matrix: {execution_environments.0.timeout: [1s, 2s]}, execution_environments: [strace]",
        "matrix: {implementation: [full, old]}",
        "matrix: {network_environment: [netns], 'links.*.delay': [0, 1ms]}",
        "matrix: {include: [{client: old}, {timeout: 3s, server.count: 7}]}",
        "matrix: {checks: [[], [{that: 'x < 1'}]], client.ready: [{kind: tcp}, ~]}",
        "matrix: {capture: [true, false], exclude: [{capture: true}]}",
        "matrix: {scenario: '*', client: '*'}, expect: [{when: {client: old, scenario: fuzz}, verdict: [fail, flaky]}]",
        "network_environment: netns, links: {client-server: {delay: 1ms}}, capture: true, labels: [root]",
    ],
)
def test_what_is_written_out_gives_the_same_cases(tmp_path: Path, registry: Registry, more: str) -> None:
    text = HEAD + ONE + (f", {more}}}\n" if more else "}\n")
    config = load(tmp_path, registry, text)
    first = list(plan_cases(config, registry))
    again = list(plan_cases(written_out(config, tmp_path, registry), registry))
    assert again == first
    assert len(set(ids(first))) == len(first) == count_cases(config)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ("{execution_environments.5.timeout: [1s]}, execution_environments: [strace]", "there is no element '5' of 1"),
        ("{client: [old], exclude: [{client: old}]}", "nothing is left of the matrix: every cell is excluded"),
        ("{include: [{client: old}, {client: old}]}", "this cell is already in the matrix"),
        ("{client: [full, 3]}", "expected a mapping, got 3"),
        ("{timeout.x: [1]}", "expected a number with a unit"),
    ],
)
def test_a_matrix_that_means_nothing_is_refused(tmp_path: Path, registry: Registry, matrix: str, message: str) -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        load(tmp_path, registry, HEAD + ONE + f", matrix: {matrix}}}\n")
    assert message in caught.value.diagnostics[0].message


def big(values: int) -> Mapping[str, list[int]]:
    return {name: list(range(values)) for name in ("parameters.count", "client.count", "server.count")}


def test_a_million_cases_are_planned_lazily_in_little_memory(tmp_path: Path, registry: Registry) -> None:
    config = load(tmp_path, registry, HEAD + f"matrix: {dict(big(100))}\n" + ONE + ", scenario: ping}\n")
    tracemalloc.start()
    cases = plan_cases(config, registry)
    first = next(cases)
    assert count_cases(config) == 1_000_000
    list(itertools.islice(cases, 500))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.cell == {"parameters.count": "0", "client.count": "0", "server.count": "0"}
    assert peak < 10 << 20


def test_cells_that_share_a_part_share_what_was_made_of_it(tmp_path: Path, registry: Registry) -> None:
    found = plan(
        tmp_path, registry, HEAD + "repeat: 3\nmatrix: {client.count: [1, 2], server.count: [1, 2]}\n" + ONE + "}\n"
    )
    assert len({id(case.services[0].options) for case in found}) == 2
    assert len({id(case.network_options) for case in found}) == 1


def test_every_value_of_a_large_matrix_is_checked_without_walking_it(tmp_path: Path, registry: Registry) -> None:
    axes = {**big(100), "client.variant": ["a", "b", 3]}
    with pytest.raises(InvalidConfigurationError) as caught:
        load(tmp_path, registry, HEAD + f"matrix: {axes}\n" + ONE + ", scenario: ping}\n")
    assert [each.message.split(" (with")[0] for each in caught.value.diagnostics] == [
        "expected a text, got 3 - quote it: '3'"
    ]


def test_a_conflict_of_two_values_deep_in_a_large_matrix_ends_the_plan_with_its_reason(
    tmp_path: Path, registry: Registry
) -> None:
    text = (
        HEAD
        + f"matrix: { ({**big(20), 'network_environment': ['netns', 'here'], 'capture': [False, True]}) }\n"
        + ONE
        + ", scenario: ping}\n"
    )
    with pytest.raises(InvalidConfigurationError, match="here cannot do capture") as caught:
        list(itertools.islice(plan_cases(load(tmp_path, registry, text), registry), 10))
    assert "network_environment=here" in str(caught.value)
