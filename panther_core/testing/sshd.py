"""Hosts to connect to: network namespaces of this machine, each with a real sshd that knows one key.

Everything is in one folder, which is also the home of who logs in; nothing of the user's configuration is read: a shell
that is killed while it reads that could leave a lock behind that the next one waits for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import attrs

from panther_core.remote.far.processes import read

_SSHD = "/usr/sbin/sshd"
_SERVER = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
SetEnv HOME={folder}
"""
_CLIENT = """\
Host {name}
    HostName {address}
    User root
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking accept-new
"""


def missing() -> str:
    """Return what this machine lacks for such hosts, or nothing."""
    if os.geteuid() != 0:
        return "root, to make network namespaces with an sshd in them"
    tools = {"ip": "iproute2", _SSHD: "openssh-server", "ssh": "openssh-client"}
    return next((f"{tool} (package {each})" for tool, each in tools.items() if shutil.which(tool) is None), "")


@attrs.define(eq=False)
class SshHost:
    """One host: it can be killed with everything that runs on it, and come back."""

    name: str
    folder: Path
    address: str
    _server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Let it accept connections; return when it does."""
        argv = ("ip", "netns", "exec", self.name, _SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config"))
        self._server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        assert self._server.stderr is not None
        for line in self._server.stderr:
            if b"Server listening" in line:
                return
        raise AssertionError(f"sshd does not start in {self.name}")

    def cut(self) -> None:
        """Break every connection; what runs goes on."""
        for pid, words in self.commands().items():
            if words.startswith(b"sshd: root"):
                _kill(pid)

    def kill(self) -> None:
        """Kill everything that runs there, at once."""
        for _ in range(100):
            pids = self.processes()
            if not pids:
                break
            for pid in pids:
                _kill(pid)
        if self._server is not None:
            self._server.wait()
            assert self._server.stderr is not None
            self._server.stderr.close()
            self._server = None

    def processes(self) -> Sequence[int]:
        """Return what runs there."""
        found = subprocess.run(("ip", "netns", "pids", self.name), capture_output=True, text=True, check=False)
        return [int(each) for each in found.stdout.split()]

    def commands(self) -> Mapping[int, bytes]:
        """Return the command lines of what runs there; nothing of what ends meanwhile."""
        return {pid: read(f"/proc/{pid}/cmdline") for pid in self.processes()}


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@attrs.define(eq=False)
class SshHosts:
    """Some hosts, and the file of settings with which ``ssh`` finds them."""

    folder: Path
    hosts: tuple[SshHost, ...] = ()

    @property
    def config(self) -> Path:
        """What ``ssh -F`` takes."""
        return self.folder / "ssh_config"

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, count: int) -> Iterator[Self]:
        """Give ``count`` hosts; nothing of them is left afterwards."""
        folder.mkdir(parents=True, exist_ok=True)
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants an empty folder there
        for key in ("host_key", "key"):
            subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key), check=True)
        (folder / "sshd_config").write_text(_SERVER.format(folder=folder))
        made = cls(folder)
        with contextlib.ExitStack() as stack:
            for number in range(count):
                made.hosts = (*made.hosts, _namespace(folder, number, stack))
            made.config.write_text(
                "".join(_CLIENT.format(name=h.name, address=h.address, folder=folder) for h in made.hosts)
            )
            for host in made.hosts:
                host.start()
                stack.callback(host.kill)
            yield made


def _namespace(folder: Path, number: int, stack: contextlib.ExitStack) -> SshHost:
    """Make a namespace with a way to it; the numbers come from the process, so that two tests do not meet."""
    pid = os.getpid()
    name, ours = f"pt{pid}h{number}", f"pt{pid}v{number}"
    block = (pid * 4 + number) % 16384
    subnet = f"198.{18 + block // 8192}.{block % 8192 // 32}.{block % 32 * 8}"
    base, last = subnet.rsplit(".", 1)
    near, far = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
    _ip("netns", "add", name)
    stack.callback(_ip, "netns", "del", name)
    _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("addr", "add", f"{near}/29", "dev", ours)
    _ip("link", "set", ours, "up")
    _ip("-n", name, "addr", "add", f"{far}/29", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "link", "set", "lo", "up")
    return SshHost(name, folder, far)


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)
