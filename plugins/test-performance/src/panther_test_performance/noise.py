"""How much the rest of the machine was in the way of a measurement."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from panther_test_performance.options import NoiseLimits


@attrs.frozen(kw_only=True)
class Noise:
    """Shares of a stretch of time; None for what this kernel does not tell."""

    pressure: float | None = None
    steal: float | None = None
    throttled: float | None = None

    @classmethod
    def of(cls, machine: Mapping[str, float]) -> Noise:
        """Return what counts as noise of all that is known of the machine."""
        return cls(pressure=machine.get("cpu_pressure"), steal=machine.get("steal"), throttled=machine.get("held_back"))

    def beyond(self, limits: NoiseLimits) -> list[str]:
        """Return what lies over its limit, in words."""
        return [
            f"{name} {value:.0%} > {getattr(limits, name):.0%}"
            for name, value in attrs.asdict(self).items()
            if value is not None and value > getattr(limits, name)
        ]
