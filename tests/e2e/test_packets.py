"""Recordings of packets: the keys are inside, a person can read them, and nobody keeps more than was asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from panther_core.capture import embed_keys
from panther_core.testing import MakeProject
from panther_hookspecs import Artifact

SERVER = """
import http.server, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server = http.server.HTTPServer(("0.0.0.0", 4433), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("up", flush=True)
server.handle_request()
"""
CLIENT = """
import http.client, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.keylog_filename = "keys.log"
connection = http.client.HTTPSConnection(sys.argv[1], 4433, context=context)
connection.request("GET", "/a-secret-path")
print(connection.getresponse().status)
"""
CERTIFICATE = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout key.pem -out cert.pem"
)
EXPERIMENT = f"""
name: secret
network_environment: netns
capture: true
services:
  server:
    implementation: command
    pre_run: [[openssl, {", ".join(CERTIFICATE.split())}]]
    argv: [python3, -u, server.py]
    files: {{server.py: {json.dumps(SERVER)}}}
    ready: {{kind: log, pattern: up}}
    ends_by_itself: true
  client:
    implementation: command
    argv: [python3, client.py, "{{server.ip}}"]
    files: {{client.py: {json.dumps(CLIENT)}}}
    outputs: {{keys.log: keys}}
    ends_by_itself: true
    depends_on: [server]
test_cases:
  - name: good
    checks: [{{log: {{service: client, matches: "404"}}}}]
  - name: bad
    checks: [{{log: {{service: client, matches: "200"}}}}]
"""
TOOLS = [tool for tool in ("ip", "unshare", "nsenter", "openssl", "tshark") if shutil.which(tool) is None]
needs_tools = pytest.mark.skipif(bool(TOOLS), reason=f"needs {', '.join(TOOLS)}")


@needs_tools
def test_what_was_encrypted_can_be_read_from_the_recording_alone(panther_project: MakeProject) -> None:
    project = panther_project({"secret.yaml": EXPERIMENT})
    outcome = project.run("run secret.yaml --keep-capture on-failure --output out")
    outcome.assert_verdicts({"good": "pass", "bad": "fail"})
    kinds = {case["name"]: {each["kind"] for each in case["artifacts"]} for case in outcome.cases()}
    assert "capture" in kinds["bad"]
    assert "capture" not in kinds["good"], "only of cases that are not as expected"
    assert not list(Path(outcome.folder("good")).rglob("*.pcapng"))
    shown = project.run("show out --packets")
    shown.assert_exit(0, "bad: packets of server", "bad: packets of client", "HTTP", "GET /a-secret-path HTTP/1.1")
    project.run("show out --packets --case good").assert_exit(
        2, "no packets of these cases were kept", "--keep-capture"
    )


@needs_tools
def test_nothing_is_kept_where_nothing_shall_be(panther_project: MakeProject) -> None:
    outcome = panther_project({"secret.yaml": EXPERIMENT}).run("run secret.yaml --keep-capture never --select name=bad")
    assert outcome.cases()
    assert not list(outcome.run.rglob("*.pcapng"))


def test_decoding_without_tshark_says_what_to_install(panther_project: MakeProject) -> None:
    project = panther_project({"secret.yaml": EXPERIMENT})
    if TOOLS and TOOLS != ["tshark"]:
        pytest.skip(f"needs {', '.join(TOOLS)}")
    project.run("run secret.yaml --output out --select name=good").assert_ok()
    project.run("show out --packets", environ={"PATH": "/nowhere"}).assert_exit(3, "apt install tshark")


def test_keys_stay_out_of_what_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("CLIENT_RANDOM 00 11\n")
    (tmp_path / "odd.pcapng").write_bytes(b"no such thing")
    artifacts = [Artifact(path="keys", kind="keys"), Artifact(path="odd.pcapng", kind="capture")]
    assert list(embed_keys(artifacts, tmp_path)) == ["the keys could not be put into odd.pcapng: it is no pcapng file"]
    assert (tmp_path / "odd.pcapng").read_bytes() == b"no such thing"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["keys", "odd.pcapng"]
