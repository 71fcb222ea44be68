"""Hosts behind OpenSSH: one connection to each, shared by all that runs there."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

from panther_hookspecs import EnvironmentUnavailableError, Provisioner, System, option
from panther_provisioner_ssh import sockets

_SETTINGS = (
    "BatchMode=yes",
    "ControlMaster=auto",
    "ControlPersist=60",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
)
"""Nobody is there to type a password; a dead connection is noticed after a quarter of a minute."""
_LASTING = (
    "Can't open user config",
    "Bad configuration option",
    "Name or service not known",
    "Permission denied",
    "Host key verification failed",
)
"""What ssh says where there is no use in trying again."""
_PROBE = 30.0


def _are_hosts(_options: SshOptions, _field: attrs.Attribute[Any], hosts: tuple[str, ...]) -> None:
    """Refuse what ``ssh`` would take for an option, and what would be two systems of one name."""
    for host in hosts:
        if not host or host.startswith("-"):
            raise ValueError(f"{host!r} is no name of a host")
        if hosts.count(host) > 1:
            raise ValueError(f"{host} is there twice - cases at a time on each host are `workers`")


def _are_labels(options: SshOptions, _field: attrs.Attribute[Any], labels: Mapping[str, tuple[str, ...]]) -> None:
    for host in labels:
        if host not in options.hosts:
            raise ValueError(f"{host!r} is none of the hosts ({', '.join(options.hosts)})")


def _absolute(path: Path | str | None) -> Path | None:
    """Return the path from anywhere: a run may be resumed in another folder."""
    return Path(path).absolute() if path else None


def _is_place(_options: SshOptions, _field: attrs.Attribute[Any], folder: str) -> None:
    if folder and not folder.startswith("/"):
        raise ValueError(f"must begin with /, {folder!r} does not")


@attrs.frozen(kw_only=True)
class SshOptions:
    """Which hosts, and how they are used."""

    hosts: tuple[str, ...] = option(
        converter=tuple,
        validator=(attrs.validators.min_len(1), _are_hosts),
        help="Names as `ssh` takes them: host or user@host.",
    )
    workers: int = option(1, validator=attrs.validators.ge(1), help="How many cases run on each host at a time.")
    labels: Mapping[str, tuple[str, ...]] = option(
        factory=dict, validator=_are_labels, help="Labels of hosts besides those found there."
    )
    config: Path | None = option(
        None, converter=_absolute, help="The file of settings for `ssh`, as its option -F takes it."
    )
    interpreter: str = option("python3", help="The Python there; 3.11 or later for cases of PANTHER.")
    folder: str = option(
        "",
        validator=_is_place,
        help="The folder there in which one is made to keep things while it is used; /tmp if empty.",
    )
    lease: float = option(
        60.0,
        validator=attrs.validators.gt(0),
        help="Seconds after which, without a connection, work there is ended and counts as lost.",
    )


_Slot = tuple[str, int]


@attrs.define(eq=False)
class SshHosts(Provisioner):
    """Gives out the workers of the hosts in turn; a host that does not answer comes last."""

    options: SshOptions
    _free: deque[_Slot] = attrs.field()
    _notes: dict[_Slot, MutableMapping[str, Any]] = attrs.field(factory=dict)
    _run: str = ""
    _sockets: Path | None = None
    _owner: IO[str] | None = None
    """What says that the sockets are in use."""
    _changed: threading.Condition = attrs.field(factory=threading.Condition)

    @_free.default
    def _all_slots(self) -> deque[_Slot]:
        return deque((host, number) for number in range(self.options.workers) for host in self.options.hosts)

    def open(self, run_id: str) -> None:
        """Note the run, so that `panther clean` knows whose the connections are; end those of when it was killed."""
        self._run = run_id
        for left in sockets.leftovers():
            if left.run_id == run_id:
                left.remove()

    def most(self) -> int:
        """Return how many workers all hosts have together."""
        return self.options.workers * len(self.options.hosts)

    def reserve(self) -> System:
        """Return a worker of a host that answers, waiting until one is free."""
        why: dict[str, str] = {}
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._free)
                if self._sockets is None:
                    self._sockets, self._owner = sockets.make(self._run)
                slot = next((each for each in self._free if each[0] not in why), None)
                if slot is None:
                    raise _unavailable(why, self._config)
                self._free.remove(slot)
            problem = self._problem(slot[0])
            if not problem:
                return self._system(slot)
            why[slot[0]] = problem
            self._give_back(slot)

    def release(self, system: System) -> None:
        """Let the next one have the worker; others that wait are served first."""
        self._give_back((system.host, int(system.name.rpartition("/")[2])))

    def close(self) -> None:
        """Close the connections."""
        if self._sockets is None or self._owner is None:
            return
        for host in self.options.hosts:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(self._ssh("-O", "exit", host), capture_output=True, timeout=_PROBE, check=False)
        shutil.rmtree(self._sockets, ignore_errors=True)
        self._owner.close()

    def _give_back(self, slot: _Slot) -> None:
        with self._changed:
            self._free.append(slot)
            self._changed.notify_all()

    def _system(self, slot: _Slot) -> System:
        host, number = slot
        options = self.options

        def reach(argv: Sequence[str]) -> Sequence[str]:
            return self._ssh(host, "--", shlex.join(argv))

        return System(
            name=f"{host}/{number}",
            labels=frozenset({"ssh", host, *options.labels.get(host, ())}),
            facts={"interpreter": options.interpreter, "folder": options.folder, "lease": str(options.lease)},
            notes=self._notes.setdefault(slot, {}),
            reach=reach,
            host=host,
        )

    def _problem(self, host: str) -> str:
        """Return why a host cannot be used, or nothing; the connection that this makes stays for the others."""
        try:
            done = subprocess.run(
                self._ssh(host, "--", "true"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_PROBE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {_PROBE:g} s"
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return "" if done.returncode == 0 else (said[-1] if said else f"ssh ended with {done.returncode}")

    def _ssh(self, *words: str) -> Sequence[str]:
        settings = [word for each in (*_SETTINGS, f"ControlPath={self._sockets}/%C") for word in ("-o", each)]
        return ("ssh", *self._config, *settings, "-T", *words)

    @property
    def _config(self) -> Sequence[str]:
        return ("-F", str(self.options.config)) if self.options.config else ()


def _unavailable(why: Mapping[str, str], config: Sequence[str]) -> EnvironmentUnavailableError:
    """Return the error for hosts none of which can be used; it lasts if that is so for every one."""
    told = "; ".join(f"{host}: {each}" for host, each in sorted(why.items()))
    return EnvironmentUnavailableError(
        f"{told}\n  try: {shlex.join(('ssh', *config, min(why), 'true'))}, which must work without a password",
        lasting=all(any(text in each for text in _LASTING) for each in why.values()),
    )
