"""Link mechanisms: which of several is taken, and what an environment can do with their help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from panther_core.testing import MakeProject
from panther_core.testing.dummy import DummyPlugin
from panther_hookspecs import (
    EnvironmentUnavailableError,
    LinkDescriptor,
    LinkSetup,
    LinkTask,
    NetworkEnvironmentDescriptor,
    chosen_link,
    hookimpl,
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
