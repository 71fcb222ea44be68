"""The plan of an image: that of any implementation, in a container, on the port that such images have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from panther_protocol_quic.implementation import Implementation
from panther_protocol_quic.manager import QuicManager, QuicOptions

from panther_hookspecs import Seconds, ServiceContext, ServiceManager, ServicePlan, option

PORT = 443
"""The images listen there, whatever they are told."""
_START = "start.sh"


@attrs.frozen(kw_only=True)
class ImageOptions:
    """Which image, and how it is started."""

    image: str = option(help="Name of the image, as `docker run` takes it.")
    entry: str = option("/run_endpoint.sh", help="Its entry script.")
    params: str = option("", help="What SERVER_PARAMS or CLIENT_PARAMS say to it.")
    ready_timeout: Seconds = option(Seconds(30), help="How long it may take until it listens.")


@attrs.frozen
class ImageManager(ServiceManager):
    """Plans an image in either role."""

    implementation: Implementation
    options: Any

    def plan(self, context: ServiceContext) -> ServicePlan:
        """Return the plan for the service described by ``context``."""
        options: ImageOptions = self.options
        named = attrs.evolve(self.implementation, version=options.image)
        plan = QuicManager(named, QuicOptions()).plan(context)
        serves = context.role == "server"
        told = {"PANTHER_ENTRY": options.entry, f"{context.role.upper()}_PARAMS": options.params}
        start = Path(__file__).with_name(_START).read_bytes()
        return attrs.evolve(
            plan,
            only_in=options.image,
            ports={"port": PORT} if serves else {},
            run=attrs.evolve(plan.run, env={**plan.run.env, **told}),
            files={**plan.files, _START: start},
            ready=attrs.evolve(plan.ready, timeout=options.ready_timeout),
        )
