"""What killed runs have left in the container engine, found by labels alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from panther_hookspecs import DockerComposeException, Leftover
from panther_lib_containers.engine import Engine
from panther_lib_containers.where import is_local


def leftovers(environment: str, owner: str = "all services") -> Iterator[Leftover]:
    """Yield every container, network and image of ``environment``; none if there is no engine to ask.

    ``owner`` is whose a container is that no single service has for itself.
    """
    engine = Engine()
    if not is_local(engine.host) or not _answers(engine):
        return
    label = f"panther.environment={environment}"
    for each in engine.containers(label):
        labels, number = each["Labels"], str(each["Id"])
        whose = f"service {labels['panther.service']}" if "panther.service" in labels else owner
        what = f"container {number[:12]} of {whose}"
        yield Leftover(what=what, run_id=_run(labels), remove=partial(engine.remove_container, number))
    for each in engine.networks(label):
        number = str(each["Id"])
        what, remove = f"Docker network {number[:12]}", partial(engine.remove_network, number)
        yield Leftover(what=what, run_id=_run(each["Labels"]), remove=remove)
    for each in engine.images(label):
        for tag in each.get("RepoTags") or ():
            remove = partial(engine.remove_image, tag)
            yield Leftover(what=f"image {tag}", run_id=_run(each["Labels"]), remove=remove, cache=True)


def _run(labels: dict[str, str]) -> str:
    return labels.get("panther.run", "")


def _answers(engine: Engine) -> bool:
    try:
        engine.version()
    except DockerComposeException:
        return False
    return True
