"""Every generated package is built, installed and tested as its author would: nothing of it is taken on trust."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from panther_core.scaffold import KINDS, create

NAME = "my-thing"
_TIMEOUT = 200.0

pytestmark = pytest.mark.xdist_group("scaffold packages")


@attrs.frozen
class Author:
    """A fresh environment with all generated packages installed from their wheels."""

    folder: Path
    python: Path

    def run(self, *argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return run((self.python, *argv), cwd or self.folder)

    def package(self, kind: str) -> Path:
        return self.folder / f"panther-{kind}-{NAME}"


def run(argv: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=_TIMEOUT, check=False)


def _environment(folder: Path) -> Path:
    """Make an environment that sees what is installed here, editable installations included, without any network."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    own = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    here = sysconfig.get_path("purelib")
    (Path(own) / "everything-installed-here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return python


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    folder = tmp_path_factory.mktemp("author")
    packages = [create(kind, NAME, folder) for kind in KINDS]
    wheels = folder / "wheels"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input")
    options = ("--no-build-isolation", "--no-deps", "--no-index")
    built = run((*pip, "wheel", *options, "--wheel-dir", wheels, *packages), folder)
    assert built.returncode == 0, built.stderr
    python = _environment(folder / "environment")
    installed = run(
        (*pip, "--python", python, "install", "--no-deps", "--no-index", *sorted(wheels.glob("*.whl"))), folder
    )
    assert installed.returncode == 0, installed.stderr
    return Author(folder, python)


def test_wheels_are_named_by_the_law_and_typed(author: Author) -> None:
    for kind in KINDS:
        (wheel,) = (author.folder / "wheels").glob(f"panther_{kind}_my_thing-0.1.0-*.whl")
        listing = run((sys.executable, "-m", "zipfile", "--list", wheel), author.folder).stdout
        assert f"panther_{kind}_my_thing/plugin.py" in listing
        assert f"panther_{kind}_my_thing/py.typed" in listing


def test_panther_lists_every_generated_plugin_as_active(author: Author) -> None:
    done = author.run("-m", "panther_core", "plugins", "--json")
    assert done.returncode == 0, done.stderr
    records = {record["name"]: record for record in json.loads(done.stdout)}
    for kind in KINDS:
        record = records[f"{kind}-{NAME}"]
        assert (record["status"], record["reason"]) == ("active", ""), record
        assert record["distribution"] == f"panther-{kind}-{NAME}"
        assert NAME in [each["name"] for each in record["provides"]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_generated_tests_pass(author: Author, kind: str) -> None:
    done = author.run("-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", cwd=author.package(kind))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert ": needs " not in done.stdout, "skipped for want of something, not because it is pointless for this plugin"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("protocol", "report", "command")])
def test_the_example_runs(author: Author, kind: str) -> None:
    for plugin in ("panther_protocol_minip", "panther_service_ping_pong", "panther_env_localhost"):
        pytest.importorskip(plugin, reason=f"needs {plugin}")
    (example,) = (author.package(kind) / "examples").iterdir()
    done = author.run("-m", "panther_core", "run", example)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 pass" in done.stdout


def test_the_generated_code_is_clean(author: Author) -> None:
    packages = [author.package(kind) for kind in KINDS]
    checks = (("ruff", "check"), ("ruff", "format", "--check"))
    for name, *arguments in checks:
        for package in packages:
            done = run((sys.executable, "-m", name, *arguments, "."), package)
            assert done.returncode == 0, done.stdout + done.stderr


def test_the_generated_code_is_typed(author: Author) -> None:
    sources = [author.package(kind) / part for kind in KINDS for part in ("src", "tests")]
    done = run(
        (sys.executable, "-m", "mypy", "--strict", "--python-executable", author.python, *sources), author.folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
