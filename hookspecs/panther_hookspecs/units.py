"""Numbers with a unit, as people write them in YAML: ``20ms``, ``10Mbit``, ``1%``, ``16MiB``.

Use these as field types in a plugin's options; the engine turns the text into the number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Self

_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*\Z")


class Quantity(float):
    """A number in the base unit of its class, readable from text with any unit of ``UNITS``."""

    UNITS: ClassVar[dict[str, float]] = {"": 1.0}
    EXAMPLE: ClassVar[str] = "1"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a number or a text such as ``EXAMPLE``; say what is accepted where it is neither."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return cls(value)
        match = _NUMBER.match(value) if isinstance(value, str) else None
        if match is None or match[2] not in cls.UNITS:
            units = ", ".join(unit for unit in cls.UNITS if unit)
            raise ValueError(f"expected a number with a unit ({units}), for example {cls.EXAMPLE}, got {value!r}")
        return cls(float(match[1]) * cls.UNITS[match[2]])


class Seconds(Quantity):
    """A duration in seconds."""

    UNITS: ClassVar[dict[str, float]] = {
        "": 1.0,
        "us": 1e-6,
        "ms": 1e-3,
        "s": 1.0,
        "m": 60.0,
        "min": 60.0,
        "h": 3600.0,
        "d": 86400.0,
    }
    EXAMPLE: ClassVar[str] = "20ms"


if TYPE_CHECKING:
    Lapse = Seconds  # whoever makes a link in Python says Seconds
    Age = Seconds
else:

    class Lapse(Seconds):
        """A duration of a link, in seconds, written with its unit: people mean milliseconds as often."""

        LIKELY: ClassVar[tuple[str, str]] = ("ms", "s")
        """What somebody may mean who gives no unit."""

        @classmethod
        def parse(cls, value: object) -> Self:
            """Read a text such as ``20ms``; of numbers only 0 needs no unit."""
            found = super().parse(value)
            bare = isinstance(value, (int, float)) or (isinstance(value, str) and not value.strip()[-1:].isalpha())
            if bare and found and not isinstance(value, Quantity):
                raise ValueError(
                    f"{found:g} of what? For example {' or '.join(f'{found:g}{unit}' for unit in cls.LIKELY)}"
                )
            return found

    class Age(Lapse):
        """How long ago something was, in seconds, written with its unit: people mean days, not seconds."""

        EXAMPLE: ClassVar[str] = "30d"
        LIKELY: ClassVar[tuple[str, str]] = ("d", "h")


class Bytes(Quantity):
    """An amount of data in bytes."""

    UNITS: ClassVar[dict[str, float]] = {
        "": 1.0,
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
    }
    EXAMPLE: ClassVar[str] = "16MiB"


class BitRate(Quantity):
    """A data rate in bits per second."""

    UNITS: ClassVar[dict[str, float]] = {"": 1.0, "bit": 1.0, "kbit": 1e3, "Mbit": 1e6, "Gbit": 1e9}
    EXAMPLE: ClassVar[str] = "10Mbit"


class Share(Quantity):
    """A part of a whole, 0 to 1; ``1%`` is 0.01."""

    UNITS: ClassVar[dict[str, float]] = {"": 1.0, "%": 0.01}
    EXAMPLE: ClassVar[str] = "1%"
