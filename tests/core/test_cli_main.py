"""The entry point: help, global options, and how every kind of error ends."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from panther_core.cli import known
from panther_core.cli.main import main
from panther_hookspecs import CommandDescriptor, EnvironmentUnavailableError, PantherExperimentError, hookimpl

COMMANDS = [
    "ci",
    "clean",
    "compare",
    "completion",
    "doctor",
    "expect",
    "export",
    "gc",
    "new",
    "plan",
    "plugins",
    "report",
    "resume",
    "run",
    "runs",
    "schema",
    "serve",
    "show",
    "validate",
    "watch",
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PANTHER_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)


def plugin_of(hook: object, name: str = "trial") -> object:
    """Return a plugin that is a module made here."""
    plugin = ModuleType(name)
    plugin.panther_register_commands = hook  # type: ignore[attr-defined]
    return plugin


def command(run: object, name: str = "try") -> object:
    """Return a plugin with one command."""

    @hookimpl
    def panther_register_commands() -> Iterator[CommandDescriptor]:
        yield CommandDescriptor(name=name, summary="Try it", configure=lambda parser: None, run=run)  # type: ignore[arg-type]

    return plugin_of(panther_register_commands)


def raising(error: BaseException) -> object:
    def run(args: object, context: object) -> int:
        raise error

    return command(run)


def test_help_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("\ncommands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert all(len(line.split()) > 2 for line in listed)


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert f"usage: panther {name}" in capsys.readouterr().out


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["rnu"], "did you mean 'run'?"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["-p", "pytest", "run"], "expected no:NAME"),
        (["-p", "no:servise-x", "plugins"], "no plugin 'servise-x'"),
        (["run"], "required: FILE"),
        (["run", "x.yaml", "--jobs", "0"], "expected a number of at least 1"),
        (["run", "missing.yaml"], "missing.yaml"),
        (["show", "nothing"], "no run 'nothing'"),
        (["report", "--format", "junti"], "did you mean 'junit'?"),
        (["--config", "missing.yaml", "plugins"], "missing.yaml"),
    ],
)
def test_mistakes_of_the_user_end_with_two_and_one_short_message(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    message = capsys.readouterr().err
    assert said in message
    assert "Traceback" not in message


def test_version_is_printed_without_loading_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("panther ")


@pytest.mark.parametrize(
    ("error", "code"),
    [(PantherExperimentError("what\nwhy"), 1), (EnvironmentUnavailableError("no root"), 3), (KeyboardInterrupt(), 130)],
)
def test_errors_of_panther_carry_their_exit_code_and_no_traceback(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["try"], extra=[raising(error)]) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_full_disk_is_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try"], extra=[raising(OSError(28, "No space left on device", "/x"))]) == 3
    assert capsys.readouterr().err == "panther: No space left on device: /x\n"


def test_two_v_show_the_traceback_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-v", "try", "-v"], extra=[raising(PantherExperimentError("what"))]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_of_the_engine_is_reported_as_one_and_its_traceback_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["try"], extra=[raising(ZeroDivisionError("half\x1b[2J"))]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("panther: this is a bug in panther")
    assert first.endswith(r"ZeroDivisionError: half\x1b[2J")
    saved = Path(second.removeprefix("  the traceback is in "))
    assert saved.parent == tmp_path / "cache/panther/bugs"
    assert "ZeroDivisionError" in saved.read_text(encoding="utf-8")


def test_the_newest_twenty_tracebacks_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "cache/panther/bugs"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / f"bug-20010101T0000{number:02}.000000Z.txt").write_text("old")
    (folder / "notes.txt").write_text("mine")
    assert main(["try"], extra=[raising(ZeroDivisionError())]) == 1
    kept = sorted(each.name for each in folder.iterdir())
    assert len(kept) == 21
    assert kept[0] == "bug-20010101T000001.000000Z.txt"
    assert kept[-1] == "notes.txt"


def test_a_bug_of_a_plugin_names_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "panther_wobbly"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "work.py").write_text("def work():\n    return {}['absent']\n")
    (package / "plugin.py").write_text(
        "from panther_hookspecs import CommandDescriptor, hookimpl\n"
        "from panther_wobbly.work import work\n"
        "@hookimpl\n"
        "def panther_register_commands():\n"
        "    yield CommandDescriptor(name='try', summary='Try', configure=lambda p: None, run=lambda a, c: work())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from panther_wobbly import plugin  # type: ignore[import-not-found]  # noqa: PLC0415 - made by this test

    assert main(["try"], extra=[plugin]) == 1
    assert "this is a bug in plugin panther_wobbly.plugin: KeyError: 'absent'" in capsys.readouterr().err


def test_strict_refuses_to_work_beside_a_broken_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    @hookimpl
    def panther_register_commands() -> object:
        raise ValueError("not today")

    broken = plugin_of(panther_register_commands)
    assert main(["plugins"], extra=[broken]) == 0
    assert "cannot be used" in capsys.readouterr().err
    assert main(["--strict", "plugins"], extra=[broken]) == 2
    assert "not today" in capsys.readouterr().err


def test_an_error_mentions_plugins_that_could_not_be_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    @hookimpl
    def panther_register_commands() -> object:
        raise ValueError("not today")

    assert main(["hello"], extra=[plugin_of(panther_register_commands, "shy")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "not loaded: shy (panther plugins says why)"
    assert second.startswith("panther: no command 'hello'")


def test_a_command_of_a_plugin_gets_its_arguments_and_returns_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    @hookimpl
    def panther_register_commands() -> Iterator[CommandDescriptor]:
        def run(args: object, context: object) -> int:
            context.say(f"hello {args.name}")  # type: ignore[attr-defined]
            return 7

        def configure(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("-v", dest="name")

        yield CommandDescriptor(name="hello", summary="Say hello", configure=configure, run=run)

    assert main(["hello", "-v", "you"], extra=[plugin_of(panther_register_commands)]) == 7
    assert capsys.readouterr().out == "hello you\n"


def test_the_list_of_commands_is_kept_and_used_until_something_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    assert known.cached(environ) is None
    known.remember([known.Known("dance", "Dance", "command-dance")], environ)
    assert main(["--help"]) == 0
    assert "Dance (command-dance)" in capsys.readouterr().out
    os.utime(place, ns=(1, 1))
    assert known.cached(environ) is None
    assert main(["--help"]) == 0
    assert "Dance" not in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", '{"installed": 3}', "{}", "\x00"])
def test_a_damaged_list_of_commands_is_made_again(tmp_path: Path, content: str) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    wanted = (known.Known("run", "Run"),)
    known.remember(wanted, environ)
    (kept,) = (tmp_path / "cache/panther").iterdir()
    kept.write_text(content)
    assert known.cached(environ) is None
    known.remember(wanted, environ)
    assert known.cached(environ) == wanted


def test_help_from_the_list_imports_neither_contract_nor_plugins(tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    script = (
        "import sys; from panther_core.cli.main import main; main(['--help']);"
        "sys.stderr.write(','.join(sorted({each.partition('.')[0] for each in sys.modules})))"
    )
    imported = [
        subprocess.run(
            [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
        ).stderr.split(",")
        for _ in range(2)
    ]
    heavy = {"attr", "pluggy", "panther_hookspecs", "ruamel", "cattrs", "rich"}
    assert heavy & set(imported[0])
    assert not heavy & set(imported[1])


def test_help_asks_only_those_installed_plugins_that_can_bring_commands(tmp_path: Path) -> None:
    hook = (
        "from panther_hookspecs import CommandDescriptor, hookimpl\n@hookimpl\ndef panther_register_commands():\n"
        "    yield CommandDescriptor(name='NAME', summary='Try', configure=lambda p: None, run=lambda a, c: 0)\n"
    )
    announced = {
        "direct": hook.replace("NAME", "direct"),
        "indirect": "from hidden_hooks import *\n",
        "other": "import sys; sys.stderr.write('the other plugin was imported')\n",
    }
    (tmp_path / "hidden_hooks.py").write_text(hook.replace("NAME", "indirect"))
    for name, content in announced.items():
        (tmp_path / f"trial_{name}.py").write_text(content)
    info = tmp_path / "trials-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trials\nVersion: 1\n")
    points = "\n".join(f"command-{name} = trial_{name}" for name in announced)
    (info / "entry_points.txt").write_text(f"[panther]\n{points}\n")
    done = subprocess.run(
        [sys.executable, "-m", "panther_core", "--help"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    added = done.stdout.partition("commands of plugins:\n")[2].partition("\n\n")[0].splitlines()
    assert {"direct", "indirect"} <= {line.split()[0] for line in added}
    assert done.stderr == ""


def test_a_reader_who_has_enough_causes_no_traceback() -> None:
    script = "import sys; from panther_core.cli.main import main; sys.exit(main(['plugins', '--events', '--json']))"
    program = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None
    program.stdout.close()
    assert program.stderr is not None
    said = program.stderr.read()
    assert program.wait(timeout=60) == 141
    assert said == b""
    program.stderr.close()


def test_output_survives_a_terminal_that_cannot_write_every_character() -> None:
    script = (
        "import sys; from types import ModuleType; from panther_hookspecs import *\n"
        "from panther_core.cli.main import main\n"
        "@hookimpl\n"
        "def hook():\n"
        "    run = lambda args, context: context.say('測') or 0\n"
        "    yield CommandDescriptor(name='try', summary='Try', configure=lambda parser: None, run=run)\n"
        "plugin = ModuleType('trial'); plugin.panther_register_commands = hook\n"
        "sys.exit(main(['try'], extra=[plugin]))"
    )
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, check=True)
    assert done.stdout == b"\\u6e2c\n"


def test_python_m_panther_core_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "panther_core", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("panther ")


def test_plugins_can_be_chosen_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PANTHER_PLUGINS", "none-of-them")
    assert main(["plugins", "--json"]) == 0
    assert {each["status"] for each in json.loads(capsys.readouterr().out)} <= {"blocked"}
