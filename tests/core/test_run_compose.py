"""What the engine asks a network environment that has images of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.testing import MakeProject
from panther_core.testing.dummy import DummyNetwork, DummyNetworkOptions, DummyPlugin
from panther_hookspecs import (
    ImageRecipe,
    NetworkEnvironmentDescriptor,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
    hookimpl,
)

EXPERIMENT = """
name: images
protocol: dummy
network_environment: images
execution_environments: [{type: dummy, services: [server]}]
test_cases:
  - name: talk
    services:
      server: {implementation: dummy}
      client: {implementation: dummy}
"""


@attrs.define(slots=False)
class Images(DummyNetwork):
    """A network whose services run something else than they would on this machine."""

    def adapt_plan(self, spec: ServiceSpec) -> ServicePlan:
        recipe = ImageRecipe(name="dummy", dockerfile=Path("Dockerfile"), run=ShellCommand("echo", ("in an image",)))
        return attrs.evolve(spec.plan, image=recipe, build_inputs=(Path("x"),)).in_image()

    def prepare_services(self, services: Sequence[ServiceSpec]) -> None:
        self.calls.add("network", "prepare_services", "", "")


class ImagesPlugin(DummyPlugin):
    """Brings the network beside everything else that is a dummy."""

    @hookimpl
    def panther_register_network_environments(self) -> Iterable[NetworkEnvironmentDescriptor]:
        yield NetworkEnvironmentDescriptor(
            name="images",
            summary="Plans for images",
            factory=lambda context, options: Images(context, options, calls=self.calls),
            options=DummyNetworkOptions,
        )


def test_a_network_with_images_says_what_runs_and_gets_time_to_make_them(panther_project: MakeProject) -> None:
    plugin = ImagesPlugin()
    outcome = panther_project({"images.yaml": EXPERIMENT}, plugins=[plugin]).run("run images.yaml")
    calls = plugin.calls.methods()
    assert calls.index("preflight") < calls.index("prepare_services") < calls.index("plan_addresses")
    assert "echo 'in an image'" in outcome.text("services/client/command.txt")


def test_a_plan_without_a_recipe_is_the_same_in_an_image() -> None:
    plan = ServicePlan(run=ShellCommand("true"), compile=(ShellCommand("cc"),))
    assert plan.in_image() == plan


class FixedPlugin(DummyPlugin):
    """Its server listens on a port of its own choice, in an image of its own."""

    @hookimpl
    def panther_register_services(self) -> Iterable[ServiceDescriptor]:
        for each in super().panther_register_services():
            yield attrs.evolve(each, factory=functools.partial(_fixed, each.factory))


@attrs.frozen
class Fixed(ServiceManager):
    """Plans what another one plans, in another place."""

    other: ServiceManager

    def plan(self, context: ServiceContext) -> ServicePlan:
        plan = self.other.plan(context)
        if context.role != "server":
            return plan
        run = ShellCommand("echo", ("at", "{self.port}"))
        return attrs.evolve(plan, run=run, only_in="some:image", ports={"port": 443}, files={"note": b"x"})


def _fixed(make: Callable[[Any], ServiceManager], options: Any) -> ServiceManager:
    return Fixed(make(options))


def test_a_plan_chooses_its_image_and_its_ports(panther_project: MakeProject) -> None:
    plugin = FixedPlugin()
    text = EXPERIMENT.replace("network_environment: images", "network_environment: dummy")
    outcome = panther_project({"images.yaml": text}, plugins=[plugin]).run("run images.yaml")
    assert "echo at 443" in outcome.text("services/server/command.txt")


def test_a_server_may_wait_for_the_client_that_talks_to_it(panther_project: MakeProject) -> None:
    text = EXPERIMENT.replace("network_environment: images", "network_environment: dummy")
    text = text.replace("server: {implementation: dummy}", "server: {implementation: dummy, depends_on: [client]}")
    outcome = panther_project({"turned.yaml": text}, plugins=[DummyPlugin()]).run("run turned.yaml")
    ready = [each["content"]["service_name"] for each in outcome.events() if each["name"] == "service.ready"]
    assert ready == ["client", "server"], outcome


def test_a_service_gets_its_files_wherever_the_run_is_kept(panther_project: MakeProject) -> None:
    text = EXPERIMENT.replace("network_environment: images", "network_environment: dummy")
    project = panther_project({"images.yaml": text, "deep/here": ""}, plugins=[FixedPlugin()])
    outcome = project.run("run images.yaml --output deep/../out")
    assert (project.folder / "out" / outcome.folder().relative_to(outcome.run) / "services/server/note").exists(), (
        outcome
    )
