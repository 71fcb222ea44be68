"""Tests of a tree of fmf metadata are found, run and judged as tmt would."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_discover_fmf.discover import find, seconds_of
from panther_discover_fmf.manager import LACKING, FmfManager, FmfOptions, script_of
from panther_discover_fmf.options import DiscoverOptions

from panther_core.testing import MakeProject
from panther_hookspecs import (
    ConfigurationException,
    NoOptions,
    Provisioner,
    ProvisionerDescriptor,
    ServiceContext,
    System,
    hookimpl,
)

TREE = r"""
duration: 1m
tag: [core]
/ok:
    test: test "$TMT_TEST_NAME" = /tests/ok; test -f "$TMT_TEST_METADATA"; test "$PWD" = "$TMT_TREE/tests"
    tier: 1
/bad: {test: "exit 1", tag+: [slow], link: [{verifies: bug-7}]}
/worse: {test: "exit 7", order: null, result: null, duration: null, framework: null}
/expected: {test: "false", result: xfail}
/off: {test: "true", enabled: false}
/unsure: {test: "true", enabled: null}
/by-hand: {test: read.md, manual: true}
/lacks: {test: "true", require: [no-such-thing]}
/parts: {test: "tmt-report-result /a PASS; tmt-report-result 'b \"c' FAIL; tmt-file-submit -l main.fmf", order: 10}
/custom: {test: "cp custom.yaml $TMT_TEST_DATA/results.yaml", result: custom}
/adjusted:
    test: "false"
    enabled: false
    environment: {A: "{b} ${c}"}
    adjust: [{when: distro == fedora, enabled: true, test: 'test "$A" = "{b} \${c}"'}]
"""
FILES: Mapping[str, str] = {
    ".fmf/version": "1\n",
    "tests/main.fmf": TREE,
    "tests/custom.yaml": "- {name: /one, result: pass}\n- {name: /two, result: fail, note: [broken], log: [two.log]}\n",
    "all.yaml": """
name: all
network_environment: localhost
discover: [{type: fmf, context: {distro: fedora-41}}]
""",
    "wrong.yaml": "name: wrong\nnetwork_environment: localhost\ndiscover: [{type: fmf, path: /, naems: [x]}]\n",
}


def names(folder: Path, **options: Any) -> list[str]:
    return [str(each["name"]).removeprefix("/tests/") for each in find(DiscoverOptions(**options), folder)]


def test_tests_are_chosen_by_name_filter_link_and_context(panther_project: MakeProject) -> None:
    folder = panther_project(FILES).folder
    assert names(folder) == ["parts", "bad", "custom", "expected", "lacks", "ok", "worse"]
    assert names(folder, disabled=True)[1:3] == ["adjusted", "bad"]
    assert names(folder, filter=("tag: slow",)) == ["bad"]
    assert names(folder, filter=("tier: 1", "enabled: true")) == ["ok"]
    assert names(folder, filter=("tier: -1 & manual: false",)) == [each for each in names(folder) if each != "ok"]
    assert names(folder, names=("o",), exclude=("wo",), condition=("order == 50",)) == ["custom", "ok"]
    assert "worse" in names(folder, condition=("order == 50",))
    assert "ok" in names(folder, condition=("environment == {}", "require == []"))
    assert names(folder, link=("verifies:bug",)) == ["bad"]
    assert names(folder, link=("relates:bug",)) == []
    assert "adjusted" in names(folder, context={"distro": "fedora-41"})
    assert "adjusted" not in names(folder, context={"distro": ("rhel-9", "centos-9")})


def test_tests_run_and_what_they_say_becomes_verdicts_and_results(panther_project: MakeProject) -> None:
    project = panther_project(FILES)
    outcome = project.run("run all.yaml --report tmt-results")
    outcome.assert_exit(1)
    verdicts = {"ok": "pass", "bad": "fail", "worse": "error", "expected": "pass", "lacks": "unsupported"}
    verdicts |= {"parts": "fail", "custom": "fail", "adjusted": "pass"}
    outcome.assert_verdicts({f"/tests/{name}": verdict for name, verdict in verdicts.items()})
    results = {each["name"]: each for each in json.loads((outcome.run / "results.yaml").read_text())}
    assert {name: results[f"/tests/{name}"]["result"] for name in ("ok", "worse", "lacks")} == {
        "ok": "pass",
        "worse": "error",
        "lacks": "skip",
    }
    assert results["/tests/parts"]["subresult"] == [
        {"name": "/a", "result": "pass"},
        {"name": '/b "c', "result": "fail"},
    ]
    assert (results["/tests/custom/one"]["result"], results["/tests/custom/two"]["note"]) == ("pass", ["broken"])
    assert (outcome.folder("/tests/parts") / "services/test/data/main.fmf").is_file()
    planned = project.run("plan all.yaml -k tags=slow").stdout
    assert "/tests/bad" in planned
    assert "1 case, nothing was started" in planned
    again = project.run(f"resume {outcome.run}")
    again.assert_exit(1, "8 cases", "1 error")


def test_mistakes_are_told_where_the_experiment_names_the_source(panther_project: MakeProject) -> None:
    project = panther_project(FILES)
    project.run("validate wrong.yaml").assert_exit(2, "wrong.yaml:3:", "'naems'", "did you mean 'names'?")
    (project.folder / "wrong.yaml").write_text(
        "name: w\nnetwork_environment: localhost\ndiscover: [{type: fmf, names: [zzz]}]\n"
    )
    project.run("validate wrong.yaml").assert_exit(2, "fmf finds no test case here")
    (project.folder / "tests/main.fmf").write_text("/odd: {test: x, duration: soon}\n")
    project.run("validate all.yaml").assert_exit(2, "/tests/odd: 'soon' is no duration")
    (project.folder / "tests/main.fmf").write_text("/odd: {test: }\n")
    project.run("validate all.yaml").assert_exit(2, "/tests/odd: test: expected a shell command, got None")
    (project.folder / "tests/main.fmf").write_text("/odd: {test: x, /: wrong}\n")
    project.run("validate all.yaml").assert_exit(2, "Invalid fmf directive in '/tests/odd'", "try: `fmf ls` there")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), (90, 90), ("1h 30m", 5400), ("10s *3", 30), ("10m +5m", 900), ("1d", 86400)]
)
def test_durations_are_read_as_tests_write_them(text: object, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_a_folder_without_metadata_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationException, match="fmf init"):
        names(tmp_path)


ROOM = r"""
set -e
mkdir -p "$1/layers" "$1/root"
mount -t tmpfs none "$1/layers"
mkdir "$1/layers/up" "$1/layers/work"
mount -t overlay -o "lowerdir=/,upperdir=$1/layers/up,workdir=$1/layers/work" none "$1/root"
for each in proc dev tmp; do mount --rbind "/$each" "$1/root/$each"; done
rm -rf "$1/root/etc/apt/sources.list.d"
[ ! -d "$1/packages" ] || cp -r "$1/packages" "$1/root/srv/"
echo "deb [trusted=yes] file:/srv/packages ./" >"$1/root/etc/apt/sources.list"
mkdir -p "$1/root/etc/yum.repos.d"
printf '[one]\nname=one\nbaseurl=file:///srv/packages\ngpgcheck=0\n' >"$1/root/etc/yum.repos.d/one.repo"
[ "$2" = apt-get ] || rm "$1/root/usr/bin/apt-get"
room=$1/root
shift 2
exec chroot "$room" "$@"
"""
"""Enters a copy of this machine, gone afterwards, with one package manager that has the packages of one folder."""


@attrs.define(eq=False)
class Rooms(Provisioner):
    """Systems that are such copies; it also announces itself."""

    folder: Path
    manager: str

    def reserve(self) -> System:
        def reach(argv: Sequence[str]) -> Sequence[str]:
            return entered(self.folder, self.manager, argv)

        facts = {"interpreter": sys.executable, "folder": str(self.folder)}
        return System(name="room", labels=frozenset({"room"}), reach=reach, facts=facts)

    def release(self, system: System) -> None:
        pass

    @hookimpl
    def panther_register_provisioners(self) -> Iterator[ProvisionerDescriptor]:
        yield ProvisionerDescriptor(name="room", summary="a copy", options=NoOptions, factory=lambda _: self)


def entered(folder: Path, manager: str, argv: Sequence[str]) -> Sequence[str]:
    return ("unshare", "--mount", "sh", "-c", ROOM, "sh", str(folder), manager, *argv)


def deb(folder: Path, name: str) -> None:
    """Make a Debian package with one program, and the index with which apt finds it in the folder."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: one\n"
    made = folder / "made"
    (made / "DEBIAN").mkdir(parents=True)
    (made / "DEBIAN/control").write_text(control)
    (made / "usr/bin").mkdir(parents=True)
    program = made / "usr/bin" / name
    program.write_text("#!/bin/sh\necho installed\n")
    program.chmod(0o755)
    target = folder / "packages" / f"{name}.deb"
    target.parent.mkdir()
    subprocess.run(("dpkg-deb", "--build", "--root-owner-group", made, target), check=True, capture_output=True)
    data = target.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    about = f"Filename: ./{target.name}\nSize: {len(data)}\nSHA256: {digest}\n"
    (target.parent / "Packages").write_text(control + about)


SPEC = """
Name: {name}
Version: 1
Release: 1
Summary: One
License: none
BuildArch: noarch
AutoReqProv: no
%description
One.
%install
mkdir -p %{{buildroot}}/usr/bin
printf '#!/bin/sh\\necho installed\\n' >%{{buildroot}}/usr/bin/{name}
%files
%attr(755,root,root) /usr/bin/{name}
"""


def rpm(folder: Path, name: str) -> None:
    """Make the same for dnf."""
    (folder / "spec").write_text(SPEC.format(name=name))
    where = ("--define", f"_topdir {folder}/made", "--define", f"_rpmdir {folder}/packages")
    subprocess.run(("rpmbuild", "-bb", *where, folder / "spec"), check=True, capture_output=True)
    subprocess.run(("createrepo_c", folder / "packages"), check=True, capture_output=True)


MANAGERS = {"apt-get": (deb, "Unable to locate package"), "dnf": (rpm, "Unable to find a match:")}


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_tree_goes_to_other_systems_and_what_it_requires_is_installed_there(
    manager: str, panther_project: MakeProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("room")
    tried = entered(folder, manager, (manager, "--version"))
    if os.geteuid() or not shutil.which(manager) or subprocess.run(tried, check=False).returncode:
        pytest.skip(f"needs root, an overlay of the whole machine, and {manager}")
    make, complaint = MANAGERS[manager]
    make(folder, "panther-test-tool")
    tests = """
/first: {test: "test -f main.fmf; panther-test-tool | grep installed", require: [panther-test-tool, coreutils]}
/second: {test: "touch written; panther-test-tool", require: [panther-test-tool]}
/nowhere: {test: "true", require: [panther-no-such-package]}
/wish: {test: "true", recommend: [panther-no-such-package], require: {type: file, pattern: x}}
/library: {test: "true", require: ["library(a/b)", {url: "file:///c", name: /d}]}
"""
    experiment = """
name: far
network_environment: localhost
provisioners: [{type: room, max_workers: 1}]
discover: [{type: fmf, requires: install}]
"""
    files = {".fmf/version": "1\n", "tests/main.fmf": tests, "e.yaml": experiment}
    old = {"runs/old/.panther": "", "runs/old/main.fmf": "/x: {test: x}"}
    project = panther_project({**files, **old}, plugins=[Rooms(folder, manager)])
    outcome = project.run("run e.yaml")
    verdicts = {"first": "pass", "second": "pass", "nowhere": "error", "wish": "pass", "library": "unsupported"}
    outcome.assert_verdicts({f"/tests/{name}": verdict for name, verdict in verdicts.items()})
    why = {each["name"]: each["why"] for each in outcome.attempts()}
    assert f"{complaint} panther-no-such-package" in why["/tests/nowhere"]
    assert not (project.folder / "tests/written").exists()
    assert shutil.which("panther-test-tool") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_only_root_installs_and_others_are_told_so(tmp_path: Path) -> None:
    wanted = FmfOptions(test="true", requires=("bash", "panther-no-such-package"), install=True)
    made = FmfManager(wanted).plan(ServiceContext(name="test", role="test", options=wanted)).files["install.sh"]
    tmp_path.chmod(0o777)
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    subprocess.run((*nobody, "bash", "-s"), input=made, cwd=tmp_path, check=True)
    argv = ("bash", "-s", ".", str(tmp_path))
    done = subprocess.run(argv, input=script_of(wanted).encode(), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == LACKING
    assert b"not installed: panther-no-such-package (only root can install it, and this is nobody)" in done.stderr
