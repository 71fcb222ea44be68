"""An implementation is data: what a file says becomes a plan, and what is wrong with it is told."""

from __future__ import annotations

import gzip
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from panther_protocol_quic import certificates
from panther_protocol_quic.descriptors import describe
from panther_protocol_quic.drive import BETWEEN
from panther_protocol_quic.implementation import Probe
from panther_protocol_quic.materials import connections, documents
from panther_protocol_quic.programs import triplet, version_of
from panther_protocol_quic.scenarios import SCENARIOS

from panther_hookspecs import ConfigurationException, EnvironmentUnavailableError, ServiceContext, UnsupportedError

FILE = r"""
name = "demo"
summary = "A demo"

[probe]
args = ["-c", "print('demo 1.4.2')"]

[server]
program = "python3"
args = ["serve", "{www}", "{extra}", "{authority}", "{cert}", "{mode}"]
env = {KEYS = "{keys}"}
alpn = ["h3"]
quic = ["v1", "v2"]
scenarios = ["handshake", "retry", "ipv6"]
set = {mode = "plain"}
files = {"demo.conf" = "listen {address} {port} { root {www}; } {unknown} {mode}"}

[[server.when]]
scenario = "retry"
args = ["--retry"]
set = {mode = "strict"}

[[server.when]]
version = "<1"
scenario = "handshake"
unclaimed = "too old"

[client]
program = "python3"
args = ["get", "{extra}", "{each}", "{alpn}"]
each = ["-o", "{downloads}/{name}", "{url}"]
alpn = ["h3", "hq-interop"]
scenarios = ["handshake", "resumption"]

[[client.when]]
scenario = "resumption"
run = "later"
args = ["--again"]
"""


def plan(folder: Path, text: str = FILE, *, role: str = "server", scenario: str = "handshake", **options: Any) -> Any:
    file = folder / "implementation.toml"
    file.write_text(text)
    descriptor = describe(file)
    parameters = {"alpn": "h3", "version": "v1", "files": (10, 20)}
    context = ServiceContext(
        name=role,
        role=role,
        options=None,
        scenario=scenario,
        parameters=parameters,
        target="" if role == "server" else "server",
        seed=7,
    )
    return descriptor.create_service_manager(options).plan(context)


def test_a_server_gets_its_words_its_environment_and_what_the_scenario_adds(tmp_path: Path) -> None:
    usual, retry = plan(tmp_path), plan(tmp_path, scenario="retry")
    words = ("serve", "{dir}/www", "{self.ip}:{self.port}", "{dir}/certs/cert.pem", "plain")
    assert usual.run.args == words
    assert retry.run.args == (*words[:2], "--retry", *words[2:-1], "strict")
    assert usual.run.env == {"KEYS": "{dir}/keys.log"}
    assert not usual.ends_by_itself
    assert [len(content) for name, content in usual.files.items() if name.startswith("www/")] == [10, 20]


def test_a_client_gets_words_for_each_file_and_a_start_for_each_connection(tmp_path: Path) -> None:
    first, second = documents({"files": (10, 20)}, 7)

    def words(name: str) -> tuple[str, ...]:
        return "-o", f"{{dir}}/downloads/{name}", f"https://{{server.ip}}:{{server.port}}/{name}"

    one = plan(tmp_path, role="client")
    assert one.run.args == ("get", *words(first.name), *words(second.name), "h3")
    assert one.ends_by_itself
    two = plan(tmp_path, role="client", scenario="resumption").run.args[3:]
    at = two.index(BETWEEN)
    assert two[1:at] == ("get", *words(first.name), "h3")
    assert two[at + 2 :] == ("get", "--again", *words(second.name), "h3")


def test_configuration_files_know_addresses_and_keep_the_braces_that_mean_nothing(tmp_path: Path) -> None:
    known = {"self.ip": "10.0.0.2", "self.port": "4433", "dir": "/case", "name": "server"}
    made = plan(tmp_path).make_files(known)
    assert made["demo.conf"] == b"listen 10.0.0.2 4433 { root /case/www; } {unknown} plain"
    assert b'"address": "10.0.0.2"' in made["quic.json"]


def test_ipv6_is_a_matter_of_the_scenario(tmp_path: Path) -> None:
    assert plan(tmp_path, scenario="ipv6").run.args[2] == "[{self.ip6}]:{self.port}"


def test_a_client_of_early_data_has_the_time_of_a_round_trip_to_write_its_requests() -> None:
    # Without one, a server on the same machine ended the handshake before a busy client had written half of them.
    early = next(each for each in SCENARIOS if each.name == "zerortt")
    assert early.links["client-server"].delay


def test_a_version_that_cannot_do_a_scenario_is_unsupported(tmp_path: Path) -> None:
    old = FILE.replace("demo 1.4.2", "demo 0.9")
    with pytest.raises(UnsupportedError, match=r"demo 0\.9: too old"):
        plan(tmp_path, old)
    assert plan(tmp_path, old, scenario="retry")


def test_a_version_is_looked_up_in_a_debian_system_whether_it_was_installed_or_only_unpacked(tmp_path: Path) -> None:
    listed, changes = tmp_path / "a/var/lib/dpkg/status", tmp_path / "b/usr/share/doc/demo-client/changelog.Debian.gz"
    for file in (listed, changes):
        file.parent.mkdir(parents=True)
    listed.write_text("Package: demo\nVersion: 7.0-1\n\nPackage: demo-client\nStatus: x\nVersion: 1:0.12.1+dfsg-1\n")
    changes.write_bytes(gzip.compress(b"demo (1.11.0-1+deb13u1) trixie; urgency=low\n"))
    probe = Probe(debian="demo-client")
    assert version_of(probe, (str(tmp_path / "a/usr/bin/demo"),)) == "0.12.1"
    assert version_of(probe, ("loader", str(tmp_path / "b/usr/bin/demo"))) == "1.11.0"
    assert version_of(probe, (str(tmp_path / "c/usr/bin/demo"),)) == ""
    assert version_of(probe, ("/bin/demo",)) == version_of(probe, ("demo",)) == ""


def test_what_is_built_for_another_debian_is_loaded_with_its_libraries(tmp_path: Path) -> None:
    libraries = tmp_path / "root/usr/lib" / triplet()
    libraries.mkdir(parents=True)
    for name in ("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"):
        (libraries / name).touch()
    text = FILE.replace('program = "python3"', 'program = "{build}/demo"', 1)
    text += '\n[build]\ntools = {cc = "gcc"}\ncommands = [["cc", "-L{root}/usr/lib/{triplet}", "-o", "{build}/demo"]]\n'
    made = plan(tmp_path, text, root=str(tmp_path / "root"))
    assert Path(made.run.command).parent == libraries
    assert (made.run.args[0], made.run.args[2]) == ("--library-path", "{build}/demo")
    assert made.compile[0].args[0] == f"-L{libraries}"


def test_another_version_than_the_required_one_is_refused_with_both(tmp_path: Path) -> None:
    assert plan(tmp_path, require_version="1.4")
    with pytest.raises(ConfigurationException, match=r"demo here is version 1\.4\.2, .* requires 1\.5"):
        plan(tmp_path, require_version="1.5")


def test_a_missing_program_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    text = FILE.replace('program = "python3"', 'program = "no-such-server"\npackage = "demo-server"', 1)
    with pytest.raises(EnvironmentUnavailableError, match=r"no program no-such-server\n  try: apt install demo-server"):
        plan(tmp_path, text)
    (need, *_) = describe(tmp_path / "implementation.toml").needs
    assert (need.name, need.package) == ("no-such-server", "demo-server")
    with pytest.raises(EnvironmentUnavailableError, match=f"--include=demo-server trixie {tmp_path}$"):
        plan(tmp_path, text.replace("[probe]", 'release = "trixie"\n[probe]', 1), root=str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("name = 1\nsummary = 's'\n[server]\nprogram='x'\nargs=[]\nscenarios=[]\nalpn=[]", "name is a str, got 1"),
        (FILE.replace('summary = "A demo"', 'sumary = "A demo"'), "unknown key 'sumary'"),
        (FILE.replace('program = "python3"', ""), r"\[server\]: missing: program"),
        ("name = 'x'\nsummary = 's'\n[sever]", "neither .server. nor .client."),
        (FILE.replace('scenario = "retry"', ""), r"server.when\[0\]: no condition"),
        (FILE + "[", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_place(tmp_path: Path, wrong: str, message: str) -> None:
    with pytest.raises(ConfigurationException, match=message):
        plan(tmp_path, wrong)


def test_claims_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "implementation.toml").write_text(FILE)
    descriptor = describe(tmp_path / "implementation.toml")
    assert descriptor.claims["server"] == {"alpn": ("h3",), "version": ("v1", "v2")}
    assert descriptor.scenarios == {
        "server": ("handshake", "retry", "ipv6", "load", "replay"),
        "client": ("handshake", "resumption"),
    }


def test_where_an_implementation_cannot_run_is_told(tmp_path: Path) -> None:
    text = FILE.replace('name = "demo"', 'name = "demo"\nunfit = {shadow_ns = "it needs recvmmsg"}')
    (tmp_path / "implementation.toml").write_text(text)
    assert describe(tmp_path / "implementation.toml").unfit == {"shadow_ns": "it needs recvmmsg"}


def test_files_follow_from_the_seed_and_nothing_else() -> None:
    parameters = {"files": (100, 200)}
    one, same, other = documents(parameters, 1), documents(parameters, 1), documents(parameters, 2)
    assert one == same
    assert [each.size for each in one] == [100, 200]
    assert one[0].content(1) == same[0].content(1) != one[0].content(2)
    assert {each.name for each in one}.isdisjoint(each.name for each in other)
    assert connections("resumption", one) == ((one[0],), (one[1],))


@pytest.mark.parametrize("length", [1, 3])
def test_a_chain_is_signed_by_the_authority_that_the_client_makes_for_itself(length: int) -> None:
    found = certificates.chain(5, ("localhost", "10.0.0.2", "fd00::2"), length)
    assert found.certificates == certificates.chain(5, ("localhost", "10.0.0.2", "fd00::2"), length).certificates
    trusted = certificates.authority(5)
    links = [*found.certificates, trusted]
    assert len(found.certificates) == length
    for own, issuer in itertools.pairwise(links):
        own.verify_directly_issued_by(issuer)
    names = found.certificates[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.2", "fd00::2"]
    key: Any = load_pem_private_key(found.private(), None)
    assert key.public_key() == found.certificates[0].public_key()
    with pytest.raises((InvalidSignature, ValueError)):
        links[-2].verify_directly_issued_by(certificates.authority(6))


def test_a_long_chain_exceeds_what_an_unvalidated_address_may_get() -> None:
    sizes = [len(each.public_bytes(certificates.DER)) for each in certificates.chain(5, ("server",), 9).certificates]
    assert sum(sizes) > 7500


DRIVE = Path(__file__).parents[1] / "src" / "panther_protocol_quic" / "drive.py"


def drive(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", DRIVE, *words], capture_output=True, text=True, check=False, timeout=30
    )


def test_programs_run_one_after_the_other_until_one_fails() -> None:
    done = drive("echo", "one", BETWEEN, "sh", "-c", "echo two; exit 3", BETWEEN, "echo", "three")
    assert (done.stdout, done.returncode) == ("one\ntwo\n", 3)


def test_a_program_beside_the_others_ends_with_them_and_a_signal_is_an_exit_code() -> None:
    done = drive("--beside", "sleep", "60", BETWEEN, "sh", "-c", "kill -9 $$")
    assert done.returncode == 128 + 9


def test_a_program_that_does_not_exist_is_told() -> None:
    done = drive("echo", "one", BETWEEN, "no-such-program")
    assert (done.returncode, done.stderr) == (127, "no-such-program: No such file or directory\n")


def test_a_program_can_have_an_input_that_stays_open() -> None:
    script = "import select, sys; print(select.select([sys.stdin], [], [], 0.2)[0])"
    assert drive("--stdin", sys.executable, "-c", script).stdout == "[]\n"


def test_describing_a_part_that_an_implementation_lacks_is_an_error(tmp_path: Path) -> None:
    text = FILE[: FILE.index("[client]")]
    with pytest.raises(ConfigurationException, match="does not play the role client"):
        plan(tmp_path, text, role="client")
    assert attrs.asdict(describe(tmp_path / "implementation.toml"))["roles"] == ("server",)
