"""Link mechanisms: which of several is taken, and what an environment can do with their help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from panther_core.capabilities import abilities
from panther_core.testing import MakeProject
from panther_core.testing.dummy import DummyPlugin
from panther_hookspecs import (
    Blackhole,
    EnvironmentUnavailableError,
    LinkChange,
    LinkDescriptor,
    LinkSetup,
    LinkSpec,
    LinkState,
    LinkTask,
    NetworkEnvironmentDescriptor,
    Rebind,
    Seconds,
    Share,
    chosen_link,
    described_change,
    described_state,
    directions_changed,
    directions_of,
    hookimpl,
    link_between,
)


def nothing(_task: LinkTask) -> LinkSetup:
    return LinkSetup()


def mechanism(name: str, *impairments: str, **more: Any) -> LinkDescriptor:
    return LinkDescriptor(name=name, summary=name, factory=nothing, impairments=frozenset(impairments), **more)


SIMPLE = mechanism("simple", "rate", rank=1)
KERNEL = mechanism("kernel", "rate", "loss", rank=2, trial=("try", "kernel"))
SLOW = mechanism("slow", "rate", "loss", "delay", rank=3)


def choose(*wanted: str, name: str = "", works: bool = True) -> str:
    return chosen_link([SLOW, KERNEL, SIMPLE], wanted, name, lambda _trial: works).name


def test_the_first_that_can_do_everything_is_taken() -> None:
    assert choose("rate") == "simple"
    assert choose("rate", "loss") == "kernel"
    assert choose("rate", "loss", works=False) == "slow"
    assert choose("rate", name="slow") == "slow"


@pytest.mark.parametrize(
    ("wanted", "name", "said"),
    [
        (("reorder",), "", "slow cannot do reorder"),
        (("loss",), "simple", "because simple cannot do loss\n"),
        (("loss",), "kernel", "kernel does not work here (try kernel fails)"),
        (("loss",), "fast", "there is no mechanism 'fast'\n  try: another mechanism (installed: simple, kernel, slow)"),
    ],
)
def test_where_none_can_each_reason_is_told(wanted: tuple[str, ...], name: str, said: str) -> None:
    with pytest.raises(EnvironmentUnavailableError) as caught:
        choose(*wanted, name=name, works=False)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"nothing here can do to a link: {', '.join(wanted)}\n")


def test_without_any_plugin_that_is_the_reason() -> None:
    with pytest.raises(EnvironmentUnavailableError, match="no plugin brings a link mechanism"):
        chosen_link([], ["loss"], "", lambda _trial: True)


@attrs.define(eq=False)
class Linked:
    """A network that takes link mechanisms, and perhaps one of these."""

    links: tuple[LinkDescriptor, ...] = ()

    @hookimpl
    def panther_register_network_environments(self) -> Iterable[NetworkEnvironmentDescriptor]:
        (dummy,) = DummyPlugin().panther_register_network_environments()
        yield attrs.evolve(dummy, name="linked", capabilities=frozenset({"links"}))

    @hookimpl
    def panther_register_links(self) -> Iterable[LinkDescriptor]:
        return self.links


EXPERIMENT = """
name: links
protocol: dummy
network_environment: linked
links: {client-server: {loss: 1%}}
test_cases:
  - name: talk
    services: {server: {implementation: dummy}, client: {implementation: dummy}}
"""


ALONE = "-p no:link-relay -p no:link-netem validate links.yaml"


def test_panther_register_links_lets_environments_do_more(panther_project: MakeProject) -> None:
    without = panther_project({"links.yaml": EXPERIMENT}, plugins=[DummyPlugin(), Linked()])
    without.run(ALONE).assert_exit(2, "linked cannot do loss")
    able = panther_project({"links.yaml": EXPERIMENT}, plugins=[DummyPlugin(), Linked((KERNEL,))])
    able.run(ALONE).assert_ok()


def test_a_link_with_more_to_say_is_in_force_alone() -> None:
    slow, lossy, every = LinkSpec(delay=Seconds(0.1)), LinkSpec(loss=Share(0.1)), LinkSpec(burst=0)
    links = {"*": every, "a-b": slow, "b->a": lossy}
    found = {(one, other): link_between(links, one, other) for one in "abc" for other in "abc" if one != other}
    assert found["a", "b"] == ("a-b", slow)
    assert found["b", "a"] == ("b->a", lossy)
    assert found["a", "c"] == found["c", "b"] == ("*", every)
    assert link_between({}, "a", "b") == ("", LinkSpec())


def test_the_nat_of_a_link_is_in_front_of_the_service_that_is_named_first() -> None:
    links = {"a-b": LinkSpec(rebind=Rebind(first=Seconds(1)))}
    assert link_between(links, "a", "b")[1].rebind
    assert link_between(links, "b", "a")[1].rebind is None
    assert directions_changed("a-b", LinkChange(do="rebind"), ("b", "a")) == (("a", "b"),)
    assert directions_changed("a-b", LinkChange(do="heal"), ("b", "a")) == (("a", "b"), ("b", "a"))


def test_the_name_of_a_link_means_the_directions_between_these_services() -> None:
    assert directions_of("a->b", ("a", "b")) == (("a", "b"),)
    assert directions_of("a-b-c", ("a", "b-c")) == (("a", "b-c"), ("b-c", "a"))
    assert directions_of("a-b-c", ("a", "b-c", "a-b", "c")) == (), "it can be read in two ways"
    assert len(directions_of("*", ("a", "b", "c"))) == 6
    assert directions_of("a-d", ("a", "b")) == ()


def test_links_and_changes_are_described_the_way_they_are_written() -> None:
    state = LinkState(delay=Seconds(2), drop=(1, "3-7"), blackhole=Blackhole(on=Seconds(5), off=Seconds(0.5)))
    assert described_state(state) == "delay=2s drop=1,3-7 blackhole=on:5s/off:500ms"
    assert described_change(LinkChange(do="set", to=LinkState(loss=Share(0.25)))) == "set loss=25%"
    assert described_change(LinkChange(do="lose", packets=5)) == "lose 5 packets"
    assert described_change(LinkChange(do="heal")) == "heal"


STEPS = """
name: steps
protocol: dummy
network_environment: linked
links: {client-server: {steps: [{at: 0s, do: blackhole}, {at: 1h, do: heal}]}}
test_cases:
  - name: talk
    services: {server: {implementation: dummy}, client: {implementation: dummy}}
"""


def test_steps_are_taken_in_time_by_environments_that_can(panther_project: MakeProject) -> None:
    changing = mechanism("changing", "steps")
    project = panther_project({"links.yaml": STEPS}, plugins=[DummyPlugin(), Linked((changing,))])
    outcome = project.run("-p no:link-relay -p no:link-netem run links.yaml")
    outcome.assert_verdicts({"talk": "error"})
    (case,) = outcome.cases()
    assert "cannot change links while services talk over them" in case["why"]


def test_a_nat_in_front_of_everybody_is_refused(panther_project: MakeProject) -> None:
    text = EXPERIMENT.replace("client-server: {loss: 1%}", "'*': {rebind: {first: 1s}}")
    project = panther_project({"links.yaml": text}, plugins=[DummyPlugin(), Linked((mechanism("nat", "rebind"),))])
    project.run(ALONE).assert_exit(2, "rebind needs a link with two names: its NAT is in front of the first")


def test_what_an_environment_can_do_is_said_with_who_does_it() -> None:
    (dummy,) = DummyPlugin().panther_register_network_environments()
    proxy = mechanism("between", "loss", "drop", is_proxy=True)
    links = [SIMPLE, KERNEL, proxy]

    def can(*capabilities: str) -> dict[str, str]:
        return dict(abilities(attrs.evolve(dummy, capabilities=frozenset(capabilities)), links))

    assert can("ipv6") == {"ipv6": "yes"}
    assert can("links", "rate") == {"rate": "yes", "loss": "kernel"}
    assert can("links") == {"rate": "simple, kernel", "loss": "kernel"}
    assert can("proxied_links") == {"loss": "between (UDP only)", "drop": "between (UDP only)"}
