"""What CI relies on: one script, no test that is silently left out, README commands that exist."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from panther_core.plugin_manager import PluginManager

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "run"

NEED_A_DAEMON = frozenset({"docker.io"})
"""Packages that are of no use unless something is started: whoever sets up the machine brings them."""

SKIPPING = """
import pytest

def test_with_a_tool():
    pytest.skip("needs a-tool-that-nobody-has")

@pytest.mark.skipif(True, reason="needs root")
def test_with_root():
    pass

def test_plain():
    pass
"""


def _pytest(folder: Path, *, ci: bool) -> str:
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    (folder / "test_skipping.py").write_text(SKIPPING)
    environ = {key: value for key, value in os.environ.items() if key not in ("PANTHER_CI", "PYTEST_ADDOPTS")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    environ |= {"PANTHER_CI": "1"} if ci else {}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def test_a_test_that_lacks_a_tool_is_skipped_on_a_developers_machine(tmp_path: Path) -> None:
    assert re.search(r"1 passed, 2 skipped", _pytest(tmp_path, ci=False))


def test_a_test_that_lacks_a_tool_fails_in_ci(tmp_path: Path) -> None:
    said = _pytest(tmp_path, ci=True)
    assert re.search(r"2 failed, 1 passed|1 passed, 2 errors|1 failed, 1 passed, 1 error", said), said
    assert "needs a-tool-that-nobody-has" in said
    assert "needs root" in said


def _reasons(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the reason of every skip in a file, empty for one without a literal reason."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            named = {each.arg: each.value for each in node.keywords}
            given: ast.expr | None = named.get("reason")
            if node.func.attr == "skip" and node.args:
                given = node.args[0]
            if node.func.attr in ("skip", "skipif", "importorskip"):
                yield node.lineno, _start(given)


def _start(text: ast.expr | None) -> str:
    if isinstance(text, ast.JoinedStr) and text.values:
        text = text.values[0]
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""


@pytest.mark.parametrize(
    "path",
    [*sorted(ROOT.glob("tests/**/test_*.py")), *sorted(ROOT.glob("plugins/*/tests/test_*.py"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_skipped_test_says_what_it_needs(path: Path) -> None:
    for line, reason in _reasons(path):
        assert reason.startswith(("needs ", "only ")), (
            f"{path.name}:{line}: say 'needs X' for what a machine lacks (CI must have it), 'only where X' for what is "
            "pointless elsewhere"
        )


def _steps() -> set[str]:
    return set(re.findall(r"^step_(\w+)\(\)", SCRIPT.read_text(), re.MULTILINE))


def test_the_script_is_valid_and_runs_every_step_that_it_has() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    listed = re.search(r"^ALL=\((.*)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert listed
    assert set(listed.group(1).split()) == _steps()
    assert os.access(SCRIPT, os.X_OK)


def test_the_script_refuses_an_unknown_step() -> None:
    done = subprocess.run(["bash", str(SCRIPT), "lnit"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "there is no step lnit" in done.stdout


def test_the_first_two_commands_of_the_readme_set_up_and_test() -> None:
    first, second = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)[:2]
    assert "python3 -m venv" in first
    assert "plugins/requirements.txt" in first
    quickstart = re.search(r"panther run (\S+)", first)
    assert quickstart
    assert (ROOT / quickstart.group(1)).is_file()
    assert second == "bash .ci/run test"


def test_one_command_lists_a_new_plugin_everywhere_and_changes_nothing_else(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", ".ci/list_plugins.py", "plugins/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    names = re.findall(r"plugins/([\w-]+)$", (ROOT / "plugins" / "requirements.txt").read_text(), re.MULTILINE)
    for plugin in (*names, "env-zebra"):
        (tmp_path / "plugins" / plugin).mkdir()
        about = f'[project]\nname = "panther-{plugin}"\ndescription = "All of {plugin}."\n'
        (tmp_path / "plugins" / plugin / "pyproject.toml").write_text(about)
    subprocess.run([sys.executable, ".ci/list_plugins.py"], cwd=tmp_path, check=True, timeout=60)
    for name, times in (("pyproject.toml", 5), ("README.md", 1), ("plugins/requirements.txt", 1)):
        before, after = (ROOT / name).read_text().splitlines(), (tmp_path / name).read_text().splitlines()
        added = [line for line in after if line not in before]
        assert len(added) == times, added
        assert all("zebra" in line for line in added)
        assert [line for line in before if line not in after and "|" not in line] == []


def test_the_script_installs_what_the_plugins_need() -> None:
    listed = re.search(r"^DEBIAN_PACKAGES=\((.*)\)$", SCRIPT.read_text(), re.MULTILINE)
    assert listed
    ours = {f"panther-{path.parent.name}" for path in ROOT.glob("plugins/*/pyproject.toml")}
    needed = {
        need.package
        for descriptor in PluginManager.load().registry
        for need in descriptor.needs
        if need.kind in ("tool", "library") and need.package and descriptor.provider.distribution in ours
    }
    assert needed - NEED_A_DAEMON <= set(listed.group(1).split())
    assert listed.group(1).split() == sorted(listed.group(1).split())
