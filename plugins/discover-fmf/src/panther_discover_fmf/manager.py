"""How one test is run: a shell in the test's folder, with the environment that tmt gives to tests."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_hookspecs import Output, ServiceContext, ServiceManager, ServicePlan, ShellCommand, option

LACKING = 250
"""Exit code of the wrapper for a test that lacks what it needs; tests use 0, 1 and 2."""
DATA = "data"
METADATA = "metadata.yaml"
REPORTED = "reported.jsonl"
"""What a test has told with tmt-report-result."""

_SCRIPT = """\
#!/bin/bash
set -eu
folder=$2
cd "$1" || {{ echo "the tree is not here: keep it in the experiment's folder, which is copied" >&2; exit {code}; }}
tree=$PWD
{checks}chmod +x "$folder"/bin/*
export TMT_TREE=$tree TMT_TEST_NAME={name} TMT_TEST_SERIAL_NUMBER={serial} TMT_TEST_DATA=$folder/data
export TMT_TEST_METADATA=$folder/metadata.yaml TMT_PLAN_DATA=$folder/plan TMT_REBOOT_COUNT=0 TMT_TEST_RESTART_COUNT=0
export TMT_SOURCE_DIR=$tree PATH=$folder/bin:$PATH
{variables}cd "$tree"/{path}
exec bash -eo pipefail -c {test}
"""
_CHECK = """\
for each in {names}; do
    installed "$each" || {{ echo "not installed: $each$(cat "$folder/refused" 2>/dev/null || :)" >&2; exit {code}; }}
done
"""
_INSTALLED = 'installed() { command -v "$1" || dpkg -s "$1" || rpm -q --whatprovides "$1"; } >/dev/null 2>&1\n'
_INSTALL = """\
#!/bin/bash
# Install what a test requires and this system lacks, then what can be had of what it recommends; one test at a time.
set -u
{installed}export DEBIAN_FRONTEND=noninteractive
if command -v apt-get >/dev/null; then
    again=1
    install() {{ apt-get install -qq -y --no-install-recommends -- "$@"; }}
    get() {{ install "$@" || {{ [ $again = 1 ] && again=0 && apt-get update -qq && install "$@"; }}; }}
elif command -v dnf >/dev/null; then
    get() {{ dnf -q -y install "$@"; }} # no "--": version 5 knew none for years
else
    get() {{ echo " (there is neither apt nor dnf to install it)" >refused; }}
fi
exec 9</etc/os-release # there is one on every system
flock 9
missing=() wished=()
for each in {required}; do installed "$each" || missing+=("$each"); done
for each in {recommended}; do installed "$each" || wished+=("$each"); done
[ $((${{#missing[@]}} + ${{#wished[@]}})) -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then echo " (only root can install it, and this is $(id -un))" >refused; exit 0; fi
[ ${{#missing[@]}} = 0 ] || get "${{missing[@]}}" || exit
for each in "${{wished[@]}}"; do get "$each" || echo "goes on without $each" >&2; done
"""
_REPORT_RESULT = """\
#!/bin/bash
# tmt-report-result [-o FILE] NAME RESULT: tell the result of a part of a test
while getopts o:sm flag; do [ "$flag" = o ] && cp -f "$OPTARG" "$TMT_TEST_DATA/" || true; done
shift $((OPTIND - 1))
case ${2,,} in pass|fail|warn|error|info|skip) ;; *) echo "no result: $2" >&2; exit 1 ;; esac
name=${1//\\\\/\\\\\\\\}
echo "{\\"name\\": \\"${name//\\"/\\\\\\"}\\", \\"result\\": \\"${2,,}\\"}" >>"$TMT_TEST_DATA/../reported.jsonl"
"""
_FILE_SUBMIT = """\
#!/bin/bash
# tmt-file-submit -l FILE: keep a file
while getopts l: flag; do cp -f "$OPTARG" "$TMT_TEST_DATA/"; done
"""


@attrs.frozen(kw_only=True)
class FmfOptions:
    """One test; the source of test cases ``fmf`` fills all of it in."""

    test: str = option(validator=attrs.validators.min_len(1), help="Shell command that is the test.")
    test_name: str = option("/", help="Its name in the tree.")
    tree: str = option(".", help="Root of the tree; counts from the experiment.")
    path: str = option("/", help="Folder in the tree in which it runs.")
    framework: str = option("shell", help="How it says how it went; only shell can be run.")
    result: str = option(
        "respect", help="What becomes of its result: respect, xfail, custom, or one that always holds."
    )
    requires: tuple[str, ...] = option((), help="Packages or programs without which it is unsupported.")
    recommends: tuple[str, ...] = option((), help="Packages that are installed, too, if they can be had.")
    install: bool = option(False, help="Whether those that are missing are installed first.")
    variables: Mapping[str, str] = option(factory=dict, help="Its environment variables.")
    serial: int = option(1, help="Its number among the tests.")
    metadata: Mapping[str, Any] = option(factory=dict, help="All that is written about it, for itself to read.")


@attrs.frozen
class FmfManager(ServiceManager):
    """Plans a test."""

    options: FmfOptions

    def plan(self, context: ServiceContext) -> ServicePlan:  # noqa: ARG002 - tests do not differ by it
        """Return the plan: everything that a test says stays in a file, where nothing looks for placeholders."""
        told = self.options
        tree = told.tree if told.tree.startswith("/") else f"{{here}}/{told.tree}"
        about = {"result": told.result, **told.metadata}
        return ServicePlan(
            run=ShellCommand("bash", ("{dir}/run.sh", tree, "{dir}")),
            pre_run=(ShellCommand("bash", ("{dir}/install.sh",)),) if _installs(told) else (),
            files={
                **({"install.sh": _install_script(told).encode()} if _installs(told) else {}),
                "run.sh": script_of(told).encode(),
                METADATA: (json.dumps(about, indent=1) + "\n").encode(),
                "bin/tmt-report-result": _REPORT_RESULT.encode(),
                "bin/tmt-file-submit": _FILE_SUBMIT.encode(),
            },
            folders=(DATA, "plan"),
            ends_by_itself=True,
            outputs=(Output(pattern=f"{DATA}/**/*", kind="log", required=False),),
            runtime="script",
        )


def _installs(test: FmfOptions) -> bool:
    return test.install and bool(test.requires or test.recommends)


def _names(packages: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, packages))


def _packages(names: Sequence[str]) -> Iterator[str]:
    """Yield those that a package manager can be asked for: libraries are no packages."""
    return (each for each in names if not re.match(r"library\(|\w+: ", each))


def _install_script(test: FmfOptions) -> str:
    required, recommended = (_names(_packages(each)) for each in (test.requires, test.recommends))
    return _INSTALL.format(installed=_INSTALLED, required=required, recommended=recommended)


def script_of(test: FmfOptions) -> str:
    """Return the script around a test."""
    if test.framework != "shell":
        return f'echo "the framework {test.framework} is not there" >&2\nexit {LACKING}\n'
    quote = shlex.quote
    return _SCRIPT.format(
        checks=_INSTALLED + _CHECK.format(names=_names(test.requires), code=LACKING) if test.requires else "",
        code=LACKING,
        name=quote(test.test_name),
        serial=test.serial,
        variables="".join(f"export {quote(name)}={quote(value)}\n" for name, value in test.variables.items()),
        path=quote(test.path.lstrip("/")),
        test=quote(test.test),
    )
