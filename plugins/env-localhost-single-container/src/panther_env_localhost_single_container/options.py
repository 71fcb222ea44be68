"""The keys that a user may write for ``localhost_single_container``."""

from __future__ import annotations

import attrs
from panther_lib_containers.options import ContainerOptions

from panther_hookspecs import option


@attrs.frozen(kw_only=True)
class SingleContainerOptions(ContainerOptions):
    """Options of the network environment ``localhost_single_container``."""

    link_mechanism: str = option(
        "", help="Name of the mechanism that impairs links; the best one that works here if left out."
    )
