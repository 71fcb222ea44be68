"""Whether two simulations wrote the same: what they had before is put back, and everything after it is compared."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from panther_hookspecs import CheckResult, Verdict

CHECK = "deterministic"
_OUTSIDE = frozenset({"processed-config.yaml"})
_SHOWN = 12


@attrs.frozen
class Places:
    """The folders in which a simulation writes: one for each service, and its own."""

    services: Mapping[str, Path]
    data: Path
    keep: Path
    """A folder for what has to be kept between the two."""

    def remember(self) -> None:
        """Keep what services have before the first simulation."""
        for name, folder in self.services.items():
            shutil.copytree(folder, self.keep / "before" / name, symlinks=True)

    def put_aside(self) -> None:
        """Move what the first simulation wrote away, and make all as it was before."""
        first = self.keep / "first"
        for name, folder in self.services.items():
            (first / "services").mkdir(parents=True, exist_ok=True)
            shutil.move(folder, first / "services" / name)
            shutil.move(self.keep / "before" / name, folder)
        shutil.move(self.data, first / "simulator")
        shutil.rmtree(self.keep / "before", ignore_errors=True)

    def compare(self, seed: int) -> CheckResult:
        """Compare the two, service by service; only one is kept if there is no difference."""
        first = self.keep / "first"
        pairs = [(f"services/{name}", first / "services" / name, folder) for name, folder in self.services.items()]
        pairs.append(("simulator", first / "simulator", self.data))
        count, told = 0, ""
        for place, before, after in pairs:
            one, other = dict(_hashes(before)), dict(_hashes(after))
            count += len(other)
            told = told or next(_differences(place, one, other), "")
        if told:
            evidence = (
                f"two simulations with seed {seed} differ, first in {told}; the other one is in network/twice/first"
            )
            return CheckResult(name=CHECK, verdict=Verdict.FAIL, evidence=evidence)
        shutil.rmtree(self.keep)
        return CheckResult(
            name=CHECK, verdict=Verdict.PASS, evidence=f"{count} files are the same in two simulations with seed {seed}"
        )


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in _OUTSIDE:
            yield str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()


def _differences(place: str, one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            yield f"{place}/{name}, which only one of them wrote"
        elif one[name] != other[name]:
            yield f"{place}/{name} (sha256 {one[name][:_SHOWN]} and {other[name][:_SHOWN]})"
