"""What is read from a log, line by line. The lines are as strace 6.1 writes them."""

from __future__ import annotations

import io

import pytest
from panther_profiler_strace.figures import disagreements, figures_of
from panther_profiler_strace.findings import findings_of
from panther_profiler_strace.log import CUT, LogReader
from panther_profiler_strace.trace import MOST_SLOTS, OTHERS, Timeline, Trace

SERVER = "4<UDP:[127.0.0.1:5555]>"
CLIENT = '{sa_family=AF_INET, sin_port=htons(33806), sin_addr=inet_addr("127.0.0.1")}'
CLIENT6 = '{sa_family=AF_INET6, sin6_port=htons(5556), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr)}'
TABLE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.66    0.000030          15         2         1 recvfrom
  0.05    0.000010          10         1           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.000040          13         3         1 total
"""


def read(*lines: str) -> Trace:
    return LogReader().read(io.BytesIO("".join(f"{line}\n" for line in lines).encode()))


def call(text: str, *, pid: int = 7, at: float = 1700000000.0, took: str = "0.000010000") -> str:
    return f"{pid} {at:.6f} {text} <{took}>"


def message(size: int, control: str = "") -> str:
    named = f'msg_name={CLIENT}, msg_namelen=16, msg_iov=[{{iov_base="ab"..., iov_len={size}}}], msg_iovlen=1'
    return f"{{msg_hdr={{{named}, {control}msg_controllen=0, msg_flags=0}}, msg_len={size}}}"


def test_counts_times_and_errors_are_added_up_by_call() -> None:
    trace = read(
        call('read(3</etc/hosts>, "127"..., 4096) = 300', took="0.000002000"),
        call('read(3</etc/hosts>, "", 4096) = 0', took="0.000005000"),
        call("read(9, 0x7ffc, 10)      = -1 EBADF (Bad file descriptor)"),
    )
    reads = trace.calls["read"]
    assert (reads.count, reads.errors, reads.nanoseconds, reads.slowest) == (3, 1, 17_000, 10_000)
    assert reads.by_error == {"EBADF": 1}
    assert trace.targets["/etc/hosts"].bytes_in == 300
    assert trace.unread == 0


@pytest.mark.parametrize(
    "line",
    [
        'openat(AT_FDCWD</tmp>, "/a with ) = -1 EIO", O_RDONLY) = 3</tmp/a b>',
        "poll([{fd=3<UDP:[1]>, events=POLLIN}], 1, 100) = 1 ([{fd=3, revents=POLLIN}])",
        "select(4, [3], NULL, NULL, NULL) = 0 (Timeout)",
        "fcntl(0</dev/null<char 1:3>>, F_GETFD) = 0x1 (flags FD_CLOEXEC)",
        "close(999)      = 0",
        "restart_syscall(<... resuming interrupted read ...>) = 0",
        'execve("./t", ["./t"], 0x7ffc8607f1e0 /* 35 vars */) = 0',
        "accept(7<TCPv6:[[::]:80]>, NULL, NULL) = 9<TCPv6:[[::1]:80->[::1]:60188]>",
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f24d9486000",
    ],
)
def test_a_call_that_succeeds_is_no_error(line: str) -> None:
    trace = read(call(line))
    assert (trace.count, trace.errors, trace.unread) == (1, 0, 0)


def test_a_call_that_another_thread_interrupts_is_counted_once_and_whole() -> None:
    trace = read(
        f"7 1700000000.000000 recvfrom({SERVER},  <unfinished ...>",
        call("getppid() = 1", pid=8),
        f'7 1700000000.500000 <... recvfrom resumed>"hi", 100, 0, {CLIENT}, [16]) = 2 <0.500000000>',
    )
    assert (trace.calls["recvfrom"].count, trace.calls["getppid"].count) == (1, 1)
    assert trace.peers["UDP 127.0.0.1:33806"].bytes_in == 2


def test_what_never_returns_is_not_counted_and_what_a_signal_interrupts_is_an_error() -> None:
    trace = read(
        "7 1700000000.000000 exit_group(3)   = ?",
        "8 1700000000.000000 pause( <unfinished ...>",
        "8 1700000000.000000 <... pause resumed>) = ?",
        "9 1700000000.000000 epoll_wait(5<anon_inode:[eventpoll]>,  <detached ...>",
        call("pause() = ? ERESTARTNOHAND (To be restarted if no handler)"),
        "7 1700000000.000000 +++ exited with 3 +++",
    )
    assert figures_of(trace)["pause"].errors == 1
    assert (trace.count, trace.unread) == (1, 0)


def test_a_thread_whose_only_call_never_returned_is_a_task() -> None:
    assert (
        read("8 1700000000.000000 pause( <unfinished ...>", "9 1700000000.000000 pause( <detached ...>").task_count == 2
    )


def test_forks_threads_and_programs_are_told_apart() -> None:
    trace = read(
        call('execve("/usr/bin/server", ["server"], 0x7ffc /* 3 vars */) = 0'),
        call("clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7) = 8"),
        "7 1700000000.000000 clone3({flags=CLONE_VM|CLONE_THREAD, stack_size=0x7fff80} <unfinished ...>",
        call("getpid() = 7", pid=9),
        "7 1700000000.000000 <... clone3 resumed> => {parent_tid=[9]}, 88) = 9 <0.000171000>",
        call('execve("/bin/helper", ["helper"], 0x7ffc /* 3 vars */) = 0', pid=8),
        "8 1700000000.000000 +++ exited with 0 +++",
    )
    tasks = {task.number: (task.program, task.parent, task.thread, task.ended) for task in trace.tasks}
    assert tasks == {
        "7": ("server", "", False, ""),
        "8": ("helper", "7", False, "exited with 0"),
        "9": ("server", "7", True, ""),
    }
    assert trace.task_count == 3


@pytest.mark.parametrize(
    ("arguments", "peer"),
    [
        ("3<UDP:[0.0.0.0:53406]>, " + '"q", 1, 0, ' + CLIENT + ", 16", "UDP 127.0.0.1:33806"),
        ("3<TCP:[127.0.0.1:60188->127.0.0.1:45817]>, " + '"q", 1, 0, NULL, 0', "TCP 127.0.0.1:45817"),
        ("3<TCPv6:[[::1]:60188->[::1]:80]>, " + '"q", 1, 0, NULL, 0', "TCP [::1]:80"),
        (
            f'5<UDPv6:[41682]>, "h", 1, 0, {CLIENT6}, 28',
            "UDP [::1]:5556",
        ),
        ('3<UDP:[0.0.0.0:53406]>, "q", 1, 0, NULL, 0', "UDP ?"),
    ],
)
def test_the_peer_is_the_address_or_the_other_end(arguments: str, peer: str) -> None:
    trace = read(call(f"sendto({arguments}) = 1"))
    assert [(each.name, each.bytes_out) for each in trace.peers.values()] == [(peer, 1)]


def test_a_connected_datagram_socket_keeps_its_peer() -> None:
    trace = read(
        call(f"connect(3<UDP:[0.0.0.0:53406]>, {CLIENT}, 16) = 0"),
        call('write(3<UDP:[0.0.0.0:53406]>, "zz", 2) = 2'),
    )
    assert trace.peers["UDP 127.0.0.1:33806"].datagrams_out == 1


def test_a_batch_has_the_bytes_and_datagrams_of_its_messages() -> None:
    batch = f"sendmmsg({SERVER}, [{message(5)}, {message(7)}, {message(9)}], 3, 0) = 2"
    trace = read(call(batch), call(f"recvmmsg({SERVER}, [{message(100)}], 8, 0, NULL) = 1"))
    peer = trace.peers["UDP 127.0.0.1:33806"]
    assert (peer.bytes_out, peer.datagrams_out, peer.calls_out) == (12, 2, 1)
    assert (peer.bytes_in, peer.datagrams_in, peer.calls_in) == (100, 1, 1)
    assert (trace.network.batches["sendmmsg"].messages, trace.network.batches["sendmmsg"].most) == (2, 2)


def test_a_send_that_the_kernel_cuts_counts_as_many_datagrams() -> None:
    control = "msg_control=[{cmsg_len=18, cmsg_level=SOL_UDP, cmsg_type=0x67}], "
    sized = read(
        call(f"setsockopt({SERVER}, SOL_UDP, UDP_SEGMENT, [1000], 4) = 0"),
        call(f"sendmmsg({SERVER}, [{message(2500, control)}], 1, 0) = 1"),
    )
    unsized = read(call(f"sendmmsg({SERVER}, [{message(2500, control)}], 1, 0) = 1"))
    assert sized.peers["UDP 127.0.0.1:33806"].datagrams_out == 3
    assert unsized.peers["UDP 127.0.0.1:33806"].datagrams_out == 1
    assert (sized.network.segmented_sends, sized.network.uncounted_segments) == (1, 0)
    assert (unsized.network.segmented_sends, unsized.network.uncounted_segments) == (1, 1)


def test_eagain_is_a_share_of_what_was_tried() -> None:
    trace = read(
        call(f'recvfrom({SERVER}, "x", 100, 0, {CLIENT}, [16]) = 1'),
        call(f"recvfrom({SERVER}, 0x7f, 100, 0, 0x7f, [16]) = -1 EAGAIN (Resource temporarily unavailable)"),
    )
    assert (trace.network.attempts, trace.network.would_block) == (2, 1)
    assert trace.peers["UDP 127.0.0.1:33806"].errors == 0


def test_both_ends_of_a_copy_are_counted() -> None:
    trace = read(call("sendfile(4<TCP:[1.1.1.1:1->2.2.2.2:2]>, 3</srv/file>, NULL, 4096) = 4096"))
    assert trace.peers["TCP 2.2.2.2:2"].bytes_out == 4096
    assert trace.targets["/srv/file"].bytes_in == 4096


def test_a_complete_log_agrees_with_its_table() -> None:
    lines = (
        call(f'recvfrom({SERVER}, "x", 100, 0, {CLIENT}, [16]) = 1', took="0.000020000"),
        call(f"recvfrom({SERVER}, 0x7f, 100, 0, 0x7f, [16]) = -1 EAGAIN (Resource temporarily unavailable)"),
        call(f'sendto({SERVER}, "x", 1, 0, {CLIENT}, 16) = 1'),
    )
    whole = read(*lines, *TABLE.splitlines())
    assert (whole.tables, disagreements(whole), whole.unread) == (1, [], 0)
    assert disagreements(read(*lines[:2], *TABLE.splitlines())) == ["sendto"]


def test_a_service_that_was_started_twice_has_two_tables_that_add_up() -> None:
    lines = (
        call(f'recvfrom({SERVER}, "x", 100, 0, {CLIENT}, [16]) = 1', took="0.000020000"),
        call(f"recvfrom({SERVER}, 0x7f, 100, 0, 0x7f, [16]) = -1 EAGAIN (Resource temporarily unavailable)"),
        call(f'sendto({SERVER}, "x", 1, 0, {CLIENT}, 16) = 1'),
        *TABLE.splitlines(),
    )
    trace = read(*lines, *lines)
    assert (trace.tables, trace.count, disagreements(trace), trace.unread) == (2, 6, [], 0)


def test_where_lines_were_dropped_the_table_has_the_numbers() -> None:
    trace = read(
        call(f'sendto({SERVER}, "x", 1, 0, {CLIENT}, 16) = 1'),
        f"9 1700000000.000000 recvfrom({SERVER}, <unfinished ...>",
        CUT,
        "9 1700000000.000000 <... recvfrom resumed>0x7f, 100, 0, 0x7f, [16]) = -1 EAGAIN (Resource) <0.000001000>",
        *TABLE.splitlines(),
    )
    assert trace.cut
    assert figures_of(trace)["recvfrom"].count == 2
    assert trace.unread == 0


def test_a_log_that_ends_in_the_middle_of_a_line_is_read_up_to_there() -> None:
    text = f"{call('getppid() = 1')}\n7 1700000000.0 recvfrom(3<UDP".encode()
    trace = LogReader().read(io.BytesIO(text))
    assert (trace.count, trace.unread, trace.tables) == (1, 1, 0)


def test_an_empty_log_has_nothing() -> None:
    trace = read()
    assert (trace.count, trace.tables, trace.unread) == (0, 0, 0)


def test_ordinary_failures_are_no_finding_and_others_are_grouped() -> None:
    trace = read(
        call('openat(AT_FDCWD</tmp>, "no", O_RDONLY) = -1 ENOENT (No such file or directory)'),
        call(f"recvfrom({SERVER}, 0x7f, 1, 0, 0x7f, [1]) = -1 EAGAIN (Resource temporarily unavailable)"),
        call("rt_sigreturn({mask=[]}) = -1 EPERM (Operation not permitted)"),
        call('openat(AT_FDCWD</tmp>, "log1", O_RDONLY) = -1 EACCES (Permission denied)'),
        call('openat(AT_FDCWD</tmp>, "log2", O_RDONLY) = -1 EACCES (Permission denied)'),
        call(f'sendto({SERVER}, "x", 1, 0, {CLIENT}, 16) = -1 ENETUNREACH (Network is unreachable) (INJECTED)'),
    )
    (found,) = findings_of(trace, service="s", artifact="log", ignore=())
    assert (found.kind, found.count, found.severity) == ("openat.EACCES", 2, "error")
    assert "/tmp/log1, /tmp/log2" in found.message
    assert found.fingerprint == "strace:openat:EACCES:/tmp/logN"
    assert trace.injected == 1
    for pattern in ("EACCES", "openat:EACCES", "openat:*"):
        assert list(findings_of(trace, service="s", artifact="log", ignore=(pattern,))) == []


def test_a_crash_is_a_finding_and_a_stop_is_none() -> None:
    trace = read(
        call('execve("./t", ["./t"], 0x7ffc /* 3 vars */) = 0'),
        "7 1700000000.000000 --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---",
        "7 1700000000.000000 +++ killed by SIGSEGV (core dumped) +++",
        "8 1700000000.000000 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=1, si_uid=0} ---",
        "8 1700000000.000000 +++ killed by SIGTERM +++",
    )
    (found,) = findings_of(trace, service="s", artifact="log", ignore=())
    assert (found.kind, found.fingerprint) == ("killed.SIGSEGV", "strace:killed:SIGSEGV:t")
    assert "si_addr=NULL" in found.stack[0]
    assert trace.signals == {"SIGSEGV": 1, "SIGTERM": 1}


def test_paths_below_the_attempt_are_told_from_there() -> None:
    line = call('openat(AT_FDCWD</runs/x/1>, "services/a/out", O_RDONLY) = -1 EACCES (Permission denied)')
    trace = LogReader("/runs/x/1").read(io.BytesIO(f"{line}\n".encode()))
    (found,) = findings_of(trace, service="s", artifact="log", ignore=())
    assert found.fingerprint == "strace:openat:EACCES:services/a/out"


def test_the_number_of_things_told_apart_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panther_profiler_strace.log.MOST_THINGS", 5)
    monkeypatch.setattr("panther_profiler_strace.traffic.MOST_THINGS", 5)
    lines = []
    for number in range(20):
        lines.append(call(f'sendto(3<TCP:[1.1.1.1:1->2.2.2.2:{number}]>, "x", 1, 0, NULL, 0) = 1', pid=number))
        lines.append(call(f'stat("/tmp/{number}", 0x7ffc) = 0', pid=number))
        lines.append(f"{number} 1700000000.000000 +++ exited with 0 +++")
    trace = read(*lines)
    assert len(trace.peers) == len(trace.targets) == len(trace.paths) == 6
    assert sum(peer.bytes_out for peer in trace.peers.values()) == 20
    assert trace.peers[f"TCP {OTHERS}"].bytes_out == 15
    assert trace.paths[OTHERS].count == 15
    assert len(trace.tasks) == 5
    assert (sum(task.count for task in trace.tasks), trace.task_count) == (40, 20)


def test_the_timeline_widens_instead_of_growing() -> None:
    timeline = Timeline()
    for number in range(10_000):
        timeline.at(1_700_000_000.0 + number * 0.05).calls += 1
    assert len(timeline.slots) <= MOST_SLOTS
    assert sum(slot.calls for _, slot in timeline) == 10_000
    assert timeline.width >= 500 / MOST_SLOTS
