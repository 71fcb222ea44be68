"""What the documentation shows works: it is executed, page by page, block by block, in the order of the page.

In a page, a comment right before a fenced block says what is special about it:

- ``<!-- not run: reason -->`` the block is for reading only;
- ``<!-- file: name.yaml -->`` the block is a file, written to the page's scratch folder for the blocks that follow;
- ``<!-- exit: 1 -->`` the commands of a ``console`` block end with that code instead of 0.

What a page installs goes into an environment of its own, on top of the one that runs the tests.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from ruamel.yaml import YAML

from panther_core.testing import PantherProject

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"(?:^<!-- (?P<key>not run|file|exit): (?P<value>.+?) -->\n\n?)?"
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = frozenset(
    {"python", "console", "yaml", "text", "toml", "json", "jsonl", "ini", "c", "diff", "markdown", "sh"}
)
READ_ONLY = LANGUAGES - {"python", "console", "yaml"}
TIME_LIMIT = 240


@attrs.frozen(kw_only=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    body: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line} ({self.language})"


def _pages() -> list[Path]:
    found = [ROOT / "README.md", ROOT / "hookspecs" / "README.md"]
    found += [*ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    return sorted(path for path in found if path.is_file())


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match in FENCE.finditer(text):
        indent = match["indent"]
        yield Block(
            page=page,
            line=text.count("\n", 0, match.start("fence")) + 1,
            language=match["language"],
            body="".join(line.removeprefix(indent) for line in match["body"].splitlines(keepends=True)),
            key=match["key"] or "",
            value=match["value"] or "",
        )


def _commands(block: Block) -> Iterator[str]:
    """Yield the commands after ``$``, lines joined that end with a backslash."""
    joined = re.sub(r"\\\n(?:> )?\s*", "", block.body)
    for line in joined.splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ").partition("  # ")[0].strip()


def _environment(scratch: Path) -> dict[str, str]:
    own, tools = str(scratch / ".venv" / "bin"), str(Path(sys.executable).parent)
    quiet = {"NO_COLOR": "1", "COLUMNS": "120", "HOME": str(scratch), "XDG_CACHE_HOME": str(scratch / ".cache")}
    offline = {
        "PIP_NO_BUILD_ISOLATION": "false",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }  # "false" is pip's way to say so
    return {**os.environ, "PATH": os.pathsep.join((own, tools, os.environ["PATH"])), **quiet, **offline}


def _overlay(scratch: Path) -> None:
    """Make an environment that sees everything of this one, for what the page installs."""
    venv.create(scratch / ".venv", with_pip=False)
    (packages,) = (scratch / ".venv" / "lib").glob("python*/site-packages")
    below = sysconfig.get_path("purelib")
    (packages / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    for name, module in (("panther", "panther_core"), ("pip", "pip")):
        script = scratch / ".venv" / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(script.with_name("python")))} -m {module} "$@"\n')
        script.chmod(0o755)


def _run_console(block: Block, scratch: Path) -> None:
    wanted = int(block.value) if block.key == "exit" else 0
    commands = list(_commands(block))
    assert commands, f"{block} shows no command: lines with one begin with '$ '"
    for command in commands:
        code, said = _execute(command, scratch)
        assert code == wanted, f"{block}: {command}\n{said}"


def _execute(command: str, scratch: Path) -> tuple[int, str]:
    """Return the exit code of a command and what it said.

    Starting ``panther`` takes longer than most of what pages do with it, so it is called in this process; not where
    a page has an environment of its own, and not with the help of a shell.
    """
    words, environ = shlex.split(command), _environment(scratch)
    needs_shell = re.search(r"[|&;<>*]", command) is not None
    if words[0] == "panther" and not needs_shell and not (scratch / ".venv").is_dir():
        outcome = PantherProject(folder=scratch).run(words[1:], environ=environ)
        return outcome.exit_code, outcome.stdout + outcome.stderr
    done = subprocess.run(
        ["bash", "-c", command] if needs_shell else words,
        cwd=scratch,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _run_yaml(block: Block, scratch: Path) -> None:
    document = YAML().load(block.body)
    if not isinstance(document, dict) or "test_cases" not in document:
        return
    path = scratch / f"block-{block.line}.yaml"
    path.write_text(block.body)
    if (scratch / ".venv").is_dir():  # it may speak of what the page has installed
        _run_console(attrs.evolve(block, body=f"$ panther validate {path}", key=""), scratch)
        return
    from panther_core.config import load_experiment  # noqa: PLC0415 - a page without experiments needs no engine
    from panther_core.plugin_manager import PluginManager  # noqa: PLC0415

    load_experiment(path, PluginManager.load().registry)


def _run(block: Block, scratch: Path, names: dict[str, object]) -> None:
    if block.key == "file":
        target = scratch / block.value
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.body)
    if block.language == "console":
        _run_console(block, scratch)
    elif block.language == "yaml":
        _run_yaml(block, scratch)
    elif block.language == "python" and block.key != "file":
        exec(compile("\n" * block.line + block.body, str(block.page), "exec"), names)


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_of_a_page_names_a_language_that_is_checked_or_read_only(page: Path) -> None:
    for block in _blocks(page):
        assert block.language in LANGUAGES, f"{block} has no language, or one that nobody checks"


@pytest.mark.parametrize(
    "page", [page for page in _pages() if any(_blocks(page))], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_every_block_of_a_page_works(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "ping-pong-c" in page.read_text() and not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    for name in ("docs", "plugins"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    if any(
        "pip install" in block.body for block in _blocks(page) if block.language == "console" and block.key != "not run"
    ):
        _overlay(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in _blocks(page):
        if block.key != "not run":
            _run(block, tmp_path, names)


@pytest.mark.parametrize("example", sorted(ROOT.glob("docs/examples/*.yaml")), ids=lambda path: str(path.name))
def test_every_example_is_understood(example: Path, tmp_path: Path) -> None:
    PantherProject(folder=tmp_path).run("validate", str(example)).assert_ok()


def _links(page: Path) -> Iterator[str]:
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    made = {"reference/hooks.md", "reference/events.md", "reference/plugins.md", "reference/commands.md"}
    generated = {
        (ROOT / "docs" / name).resolve()
        for name in (*made, "reference/errors.md", "reference/networks.md", "reference/records.md")
    }
    broken = [each for each in _links(page) if not _exists((page.parent / each).resolve(), generated)]
    assert broken == []


def _exists(target: Path, generated: set[Path]) -> bool:
    return target in generated or target.exists()


def test_every_picture_is_small_shown_somewhere_and_taken_by_the_script() -> None:
    script = (ROOT / "docs" / "screenshots.py").read_text()
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    texts = "".join(page.read_text() for page in _pages())
    assert sorted(re.findall(r'Shot\(\s*name="([\w-]+)"', script)) == [each.stem for each in pictures]
    for each in pictures:
        assert each.stat().st_size <= 60 * 1024, f"{each.name} is too large"
        assert f"images/{each.name}" in texts, f"no page shows {each.name}"


def test_the_site_builds_without_a_warning_and_needs_no_network_to_be_read(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r"<(?:script|link|img)\b[^>]*(?:src|href)=\"(?:https?:)?//")
    for page in (tmp_path / "site").rglob("*.html"):
        assert not fetched.search(page.read_text()), page.name


def test_the_reference_shows_every_hook_with_its_exact_signature(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "gen.py"), str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=TIME_LIMIT, check=True)
    text = (tmp_path / "reference" / "hooks.md").read_text()
    source = (ROOT / "hookspecs" / "panther_hookspecs" / "specs.py").read_text()
    written = re.findall(r"    (def panther_\w+\(self.*?\) -> [^\n]+):\n", source, re.DOTALL)
    assert written
    for each in written:
        assert " ".join(each.split()).replace("(self, ", "(").replace("(self)", "()").replace(",)", ")") in text
