"""The child program that makes the namespaces of one case and keeps them until it is asked to end.

Run as ``unshare [--user ...] --mount --net -- python -I -S keeper.py PLAN``. It starts in a network namespace that
belongs to no service, the *fabric*, where bridges and relays are; every other one is held open as a descriptor, so
that ``/proc/PID/fd/N`` leads into it. Nothing gets a name, so nothing can be left behind: the kernel removes all of it
with the last process.

``PLAN`` is a JSON file, see `panther_env_netns.plan.Plan`. Once everything is there, a line for every node tells its
descriptor, which network namespace that is, and its name; an empty line ends them. On SIGTERM the helpers are ended so
that they write what they have, and then this process ends.

Nothing but the standard library is imported here, and not much of it.
"""

# ruff: noqa: PTH123
# pathlib would take a third of the start-up time.

from __future__ import annotations

import ctypes
import os
import sys

TYPE_CHECKING = False  # the module typing would take a fifth of the start-up time
if TYPE_CHECKING:
    import signal
    from typing import Any, Never
else:
    import _signal as signal  # the same functions; its wrapper makes enumerations of the numbers for half of that time

CLONE_NEWNET = 0x40000000
MS_BIND = 4096
SIOCETHTOOL = 0x8946
ETHTOOL_FEATURES = (0x17, 0x1F, 0x24, 0x2C)
"""Checksums of what is sent, segmentation by the device, segmentation by the kernel, joining of what is received."""
PATIENCE = 5.0
_EVENTS = (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM)
PYTHON = [sys.executable, "-I", "-S"]
"""How a helper begins that is a program of Python."""
SHARED = ("contextlib", "json", "mmap", "select", "signal", "socket", "struct", "typing")
"""What helpers in Python begin with: imported once for all of them, where there are any."""
_LIBC = ctypes.CDLL(None, use_errno=True)


def fail(text: str) -> Never:
    """End with ``text`` as the reason."""
    sys.stderr.write(f"{text}\n")
    sys.exit(1)


def check(result: int, what: str) -> None:
    """End if a system call was refused."""
    if result != 0:
        fail(f"{what}: {os.strerror(ctypes.get_errno())}")


class Keeper:
    """Holds the namespaces, and the helpers that run beside them."""

    def __init__(self) -> None:
        """Begin with the fabric, which has no name."""
        self.namespaces = {"": os.open("/proc/self/ns/net", os.O_RDONLY)}
        self.helpers: dict[int, str] = {}

    def enter(self, node: str) -> None:
        """Make this process, and so what it starts from now on, be in the namespace of ``node``."""
        check(_LIBC.setns(self.namespaces[node], CLONE_NEWNET), f"cannot enter the namespace of {node or 'the fabric'}")

    def make(self, node: str) -> None:
        """Make a network namespace and go there."""
        check(_LIBC.unshare(CLONE_NEWNET), f"cannot make a network namespace for {node}")
        self.namespaces[node] = os.open("/proc/self/ns/net", os.O_RDONLY)

    def configure(self, tool: str, node: str, lines: list[str]) -> int:
        """Start ``ip`` or ``tc`` with these lines in the namespace of ``node``; return its process id."""
        text = "".join(f"{self.resolved(line)}\n" for line in lines)
        self.enter(node)
        source = os.memfd_create(f"lines of {node or 'the fabric'}")
        os.write(source, text.encode())
        os.lseek(source, 0, os.SEEK_SET)
        try:
            return self.spawn([tool, "-batch", "-"], stdin=source)
        finally:
            os.close(source)

    def resolved(self, line: str) -> str:
        """Return the line with the path of a namespace where it says ``@node``."""
        words = line.split()
        return " ".join(
            f"/proc/{os.getpid()}/fd/{self.namespaces[word[1:]]}" if word[:1] == "@" else word for word in words
        )

    def spawn(self, argv: list[str], *, stdin: int, stdout: int = 2) -> int:
        """Start a program where this process is."""
        actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
        try:
            return os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions, setsigmask=())
        except OSError as error:
            fail(f"{argv[0]}: {error.strerror}")

    def help_with(self, name: str, node: str, argv: list[str]) -> int:
        """Start a helper in the namespace of ``node``; return what it will say that it is ready on."""
        self.enter(node)
        reader, writer = os.pipe()
        with open("/dev/null", "rb") as nothing:
            start = fork if argv[:3] == PYTHON else self.spawn
            self.helpers[start(argv, stdin=nothing.fileno(), stdout=writer)] = name
        os.close(writer)
        return reader

    def end(self) -> int:
        """Ask the helpers to end, wait until they have, and return the exit code."""
        for pid in self.helpers:
            os.kill(pid, signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        code = 0
        while self.helpers:
            if signal.sigwait(_EVENTS) == signal.SIGALRM:
                fail(f"these did not end within {PATIENCE:g} s: {', '.join(self.helpers.values())}")
            code = max(code, self.reap())
        return code

    def reap(self) -> int:
        """Take the helpers that have ended; return the largest of their exit codes."""
        code = 0
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if not pid:
                return code
            name = self.helpers.pop(pid, "")
            ended = abs(os.waitstatus_to_exitcode(status))
            if ended:
                sys.stderr.write(f"{name} ended with {os.waitstatus_to_exitcode(status)}\n")
            code = max(code, ended)


def fork(argv: list[str], *, stdin: int, stdout: int) -> int:
    """Run a program of Python in a copy of this process, which costs a tenth of starting another interpreter."""
    for module in SHARED:
        __import__(module)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        sys.argv = argv[len(PYTHON) :]
        run_main(sys.argv[0])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - told as an interpreter of its own would tell it
        sys.excepthook(*sys.exc_info())
    finally:
        leave(code)


def leave(code: int) -> Never:
    """End at once: nothing that the interpreter would tidy up first outlives this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_main(path: str) -> None:
    """Run a file as a program, from its compiled form where there is one."""
    from importlib.machinery import SourceFileLoader  # noqa: PLC0415 - few networks have helpers

    code = SourceFileLoader("__main__", path).get_code("__main__")
    assert code is not None
    exec(code, {"__name__": "__main__", "__file__": path, "__builtins__": __builtins__})  # noqa: S102


def configure_all(keeper: Keeper, tool: str, lines: dict[str, list[str]]) -> None:
    """Set up nodes all at once; end if one of them was refused something, which the tool has told."""
    for node, pid in {node: keeper.configure(tool, node, own) for node, own in lines.items()}.items():
        if os.waitpid(pid, 0)[1]:
            fail(f"{tool} could not set up {node or 'the fabric'}")


def make_bare(interface: str) -> None:
    """Switch off what would join packets, split them late or leave their checksums open."""
    import fcntl  # noqa: PLC0415 - few cases need these
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for feature in ETHTOOL_FEATURES:
            value = ctypes.create_string_buffer(struct.pack("=II", feature, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(handle, SIOCETHTOOL, request)


def set_up(plan: dict[str, Any]) -> Keeper:
    """Make everything that the plan lists."""
    keeper = Keeper()
    if plan["hosts"]:
        source, target = plan["hosts"].encode(), b"/etc/hosts"
        check(_LIBC.mount(source, target, None, MS_BIND, None), "cannot replace /etc/hosts")
    write(plan["settings"].get("", {}))
    for node in plan["nodes"]:
        keeper.make(node)
        write(plan["settings"].get(node, {}))
    configure_all(keeper, "ip", {"": plan["lines"].pop("")})
    configure_all(keeper, "ip", plan["lines"])
    for node, interfaces in plan["bare"].items():
        keeper.enter(node)
        for interface in interfaces:
            make_bare(interface)
    configure_all(keeper, "tc", plan["shaping"])
    signals = [keeper.help_with(each["name"], each["node"], each["argv"]) for each in plan["helpers"]]
    for helper, signalled in zip(plan["helpers"], signals, strict=True):
        if not os.read(signalled, 1):
            fail(f"{helper['name']} did not start")
    return keeper


def write(settings: dict[str, str]) -> None:
    """Write kernel settings of the namespace that this process is in; one that the kernel lacks is left out."""
    for name, value in settings.items():
        path = f"/proc/sys/{name}"
        try:
            with open(path, "w") as file:
                file.write(value)
        except FileNotFoundError:
            continue
        except OSError as error:
            fail(f"{path}: {error.strerror}")


def main() -> int:
    """Set up, tell, and wait for the end."""
    with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as file:
        plan = eval(file.read())  # noqa: S307 - our own file; JSON of texts is Python as well, and needs no parser
    signal.pthread_sigmask(signal.SIG_BLOCK, _EVENTS)
    keeper = set_up(plan)
    keeper.enter("")
    told = [f"{fd} {os.fstat(fd).st_ino} {name}\n" for name, fd in keeper.namespaces.items()]
    sys.stdout.write("".join(told) + "\n")
    sys.stdout.flush()
    while signal.sigwait(_EVENTS) != signal.SIGTERM:
        before = len(keeper.helpers)
        keeper.reap()
        if len(keeper.helpers) != before:
            fail("a helper has ended too early")
    return keeper.end()


if __name__ == "__main__":
    leave(main())
