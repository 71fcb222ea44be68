"""All of it without any privilege: the other tests of this folder once more, as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from panther_env_netns.privilege import has_privileges

SANDBOX = """
import os, pathlib, subprocess, sys
separator = sys.argv.index("--")
needed, command = [pathlib.Path(each) for each in sys.argv[1:separator]], sys.argv[separator + 1:]

def mount(*words):
    subprocess.run(["mount", *words], check=True)

def private(path):
    found = [each for each in (path, *path.parents) if not each.stat().st_mode & 1]
    return found[-1] if found else None

stage = pathlib.Path(command[-1])
hidden = {each: private(each) for each in needed if private(each)}
for number, path in enumerate(hidden):
    (stage / str(number)).mkdir(exist_ok=True)
    mount("--bind", str(path), str(stage / str(number)))
for path in set(hidden.values()):
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", str(path))
for number, path in enumerate(hidden):
    path.mkdir(parents=True, exist_ok=True)
    mount("--bind", str(stage / str(number)), str(path))
ordinary = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "-all"]
os.execvp("setpriv", [*ordinary, *command[:-1]])
"""
"""Shows this interpreter and the repository to everybody, in a view of the files that nobody else has."""

TOOLS = [tool for tool in ("ip", "tc", "unshare", "nsenter", "setpriv") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(not has_privileges(), reason="only with privileges to give up"),
    pytest.mark.skipif(bool(TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


def sandboxed(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an ordinary user, in ``folder``, with a view of what it needs."""
    repository = Path(__file__).parents[3]
    needed = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), repository}
    stage, own = folder / "stage", folder / "own"
    stage.mkdir(exist_ok=True)
    own.mkdir(exist_ok=True)
    os.chown(own, 65534, 65534)
    # What only root can do is skipped there, in CI too.
    kept = {name: value for name, value in os.environ.items() if name != "PANTHER_CI"}
    variables = {**kept, "HOME": str(own), "XDG_CACHE_HOME": str(own / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [
            "unshare",
            "--mount",
            sys.executable,
            "-c",
            SANDBOX,
            *map(str, sorted(needed)),
            str(own),
            "--",
            *command,
            str(stage),
        ],
        cwd=repository,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that an ordinary user can reach, outside of pytest's own."""
    with tempfile.TemporaryDirectory(prefix="panther-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.parametrize("what", ["conformance", "environment", "packets"])
def test_an_ordinary_user_may_do_all_of_it(place: Path, what: str) -> None:
    possible = sandboxed(place, "unshare", "--user", "--map-current-user", "--net", "true")
    if possible.returncode:
        pytest.skip(f"needs user namespaces: {possible.stderr.strip()}")
    tests = str(Path(__file__).with_name(f"test_env_netns_{what}.py"))
    options = ("-q", "-p", "no:cacheprovider", f"--basetemp={place / 'own' / 'tmp'}")
    done = sandboxed(place, sys.executable, "-m", "pytest", *options, tests)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert " passed" in done.stdout


FORBIDDEN = """
name: forbidden
test_cases:
  - name: here
    network_environment: netns
    services: {one: {implementation: command, argv: ["true"]}}
  - name: elsewhere
    network_environment: localhost
    services: {one: {implementation: command, argv: ["true"]}}
"""


def test_where_user_namespaces_are_forbidden_the_case_says_which_setting_allows_them(tmp_path: Path) -> None:
    (tmp_path / "forbidden.yaml").write_text(FORBIDDEN)
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-sys_admin "$@"'
    run = (sys.executable, "-m", "panther_core", "run", "forbidden.yaml")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", *run],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "unshare: " in done.stderr:
        pytest.skip(f"only where a user namespace can be made: {done.stderr}")
    assert "try: as root sysctl user.max_user_namespaces=" in done.stdout, done.stdout + done.stderr
    assert "1 pass, 1 error" in done.stdout
