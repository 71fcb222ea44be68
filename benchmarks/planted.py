"""Let every instrument look for planted faults, many times over, and for none in the same program without them.

    python benchmarks/planted.py [--times 20] [TOOL ...]

A case passes when its checks hold: the right function, the right number. Anything but all of them is a defect.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_core.results import DirectoryView

C = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static int counter; static volatile unsigned long sink; static char *volatile kept;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
__attribute__((noinline)) void hot(unsigned long n) { for (unsigned long i = 0; i < n; i++) sink = sink * 31 + i; }
__attribute__((noinline)) void warm(unsigned long n) { for (unsigned long i = 0; i < n; i++) sink = sink * 33 + i; }
__attribute__((noinline)) void lose(void) {
    for (int i = 0; i < 20; i++) { kept = malloc(100); *kept = 1; }
    kept = NULL;
}
__attribute__((noinline)) void use_freed(void) { char *p = malloc(40); kept = p; free(p); sink += kept[8]; }
__attribute__((noinline)) void fail(void) { for (int i = 0; i < 5; i++) close(99); }
static void *racer(void *locked) {
    for (int i = 0; i < 500; i++) {
        if (locked) pthread_mutex_lock(&one);
        counter++;
        if (locked) pthread_mutex_unlock(&one);
    }
    return NULL;
}
static void both(pthread_mutex_t *outer, pthread_mutex_t *inner) {
    pthread_mutex_lock(outer); pthread_mutex_lock(inner);
    pthread_mutex_unlock(inner); pthread_mutex_unlock(outer);
}
static void *forth(void *x) { both(&one, &two); return x; }
static void *back(void *x) { both(&two, &one); return x; }
static void together(void *(*f)(void *), void *(*g)(void *), void *x) {
    pthread_t a, b;
    pthread_create(&a, NULL, f, x); pthread_create(&b, NULL, g, x); pthread_join(a, NULL); pthread_join(b, NULL);
}
static void in_turn(void *(*f)(void *)) { pthread_t a; pthread_create(&a, NULL, f, NULL); pthread_join(a, NULL); }
static void *burn(void *n) { hot(3 * (unsigned long)n); warm((unsigned long)n); return NULL; }
int main(int count, char **args) {
    const char *mode = args[1];
    unsigned long n = count > 2 ? strtoul(args[2], NULL, 10) : 0;
    if (!strcmp(mode, "lose")) lose();
    if (!strcmp(mode, "use-freed")) use_freed();
    if (!strcmp(mode, "fail")) fail();
    if (!strcmp(mode, "race")) together(racer, racer, NULL);
    if (!strcmp(mode, "order")) { in_turn(forth); in_turn(back); }
    if (!strcmp(mode, "burn")) burn((void *)n);
    if (!strcmp(mode, "threads")) together(burn, burn, (void *)n);
    if (!strcmp(mode, "forks")) {
        for (int i = 0; i < 2; i++) if (!fork()) { burn((void *)n); exit(0); }
        while (wait(NULL) > 0) continue;
    }
    if (!strcmp(mode, "clean")) { free(malloc(100)); together(racer, racer, &one); in_turn(forth); in_turn(forth); }
    puts("done");
    return 0;
}
"""
PYTHON = """
import threading, time
def hot(until):
    while time.thread_time() < until: sum(range(1000))
def served(): hot(0.9)
worker = threading.Thread(target=served)
worker.start(); worker.join()
print("done")
"""
TURNS, FEW = "60000000", "1000000"


@attrs.frozen
class Planted:
    """A fault, the instrument that has to find it, and how one knows that it did."""

    tool: str
    mode: str
    checks: Sequence[str]
    args: tuple[str, ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict)


HALF = ("hot.share > 60%", "hot.share < 90%")
FAULTS = (
    Planted("strace", "fail", ("close.EBADF.count == 5",)),
    Planted("gperf_cpu", "burn", ("samples > 20", "hot.share > 50%", "hot.share < 95%"), (TURNS,), {"frequency": 250}),
    Planted("gperf_cpu", "threads", ("samples > 20", "hot.share > 50%"), (TURNS,), {"frequency": 250}),
    Planted("gperf_heap", "lose", ("lose.live_bytes == 2000", "live_objects >= 20")),
    Planted("perf_record", "burn", HALF, (TURNS,)),
    Planted("perf_record", "threads", HALF, (TURNS,)),
    Planted("perf_record", "forks", HALF, (TURNS,)),
    Planted("perf_stat", "burn", ("task_clock > 50ms",), (TURNS,)),
    Planted("pyspy", "python", ("samples > 20", "hot.cumulative.share > 80%"), (), {"gil": True}),
    Planted("memcheck", "lose", ("leaked_bytes == 2000", "leaked_blocks == 20")),
    Planted("memcheck", "use-freed", ("invalid_accesses == 1", "leaked_bytes == 0")),
    Planted("helgrind", "race", ("races >= 1",)),
    Planted("helgrind", "order", ("lock_orders == 1", "races == 0")),
    Planted("drd", "race", ("races >= 1",)),
    Planted("callgrind", "burn", ("function.hot.share > 70%", "function.hot.share < 76%"), (FEW,)),
    Planted("callgrind", "forks", ("processes == 3", "function.hot.share > 70%"), (FEW,)),
    Planted("massif", "lose", ("peak_heap_bytes >= 2000", "top1.bytes >= 2000")),
    Planted("dhat", "lose", ("end_bytes == 2000", "end_blocks == 20")),
)
CLEAN = (
    Planted("strace", "clean", ("close.errors == 0",)),
    Planted("gperf_heap", "clean", ("live_bytes < 10000",)),
    Planted("memcheck", "clean", ("errors == 0", "leaked_bytes == 0")),
    Planted("helgrind", "clean", ("errors == 0",)),
    Planted("drd", "clean", ("errors == 0",)),
)
NAMES = {"lose": "lose", "use-freed": "use_freed", "race": "racer", "order": "both"}
"""Function that the finding of a checker has to name."""


def experiment(planted: Sequence[Planted], times: int) -> dict[str, Any]:
    """Return an experiment with a case for each fault."""
    cases = []
    for each in planted:
        argv = [sys.executable, "{here}/hot.py"] if each.mode == "python" else ["{here}/planted", each.mode, *each.args]
        runtime = "python" if each.mode == "python" else "native"
        cases.append(
            {
                "name": f"{each.tool} {each.mode}",
                "execution_environments": [{"type": each.tool, **each.options}],
                "services": {"one": {"implementation": "command", "argv": argv, "runtime": runtime}},
                "timeout": "120s",
                "checks": [
                    {"log": {"service": "one", "matches": "^done"}},
                    *({"that": f"one.{each.tool}.{text}"} for text in each.checks),
                ],
            }
        )
    return {"name": "planted", "network_environment": "localhost", "repeat": times, "test_cases": cases}


def wrong(record: Mapping[str, Any]) -> str:
    """Return what is wrong with a case, nothing if the fault was found at its place and nothing else."""
    if record["verdict"] != "pass":
        return f"{record['verdict']}: {record['why']}"
    tool, mode = record["name"].split(" ")
    found = [each for each in record["findings"] if each["source"] == tool]
    if mode == "clean":
        return f"a finding: {found[0]['message']}" if found else ""
    if tool in ("memcheck", "helgrind", "drd"):
        named = [each for each in found if any(NAMES[mode] in line for line in each["stack"])]
        return "" if named else f"no finding names {NAMES[mode]}"
    return ""


def main() -> None:
    """Run all and say for each fault how often it was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="the instruments to try; all if left out")
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    planted = [each for each in (*FAULTS, *CLEAN) if not options.tools or each.tool in options.tools]
    with tempfile.TemporaryDirectory(prefix="panther-planted-") as name:
        folder = Path(name)
        (folder / "planted.c").write_text(C)
        (folder / "hot.py").write_text(PYTHON)
        subprocess.run(["cc", "-O1", "-g", "-o", "planted", "planted.c", "-pthread"], cwd=folder, check=True)
        (folder / "exp.yaml").write_text(json.dumps(experiment(planted, options.times)))
        command = [sys.executable, "-m", "panther_core", "run", "exp.yaml", "--ui", "quiet", "--output", "run"]
        subprocess.run(command, cwd=folder, check=False)
        told = [(str(each["name"]), wrong(each)) for each in DirectoryView(folder / "run").cases()]
    right = Counter(case for case, why in told if not why)
    for each in planted:
        case = f"{each.tool} {each.mode}"
        whys = dict.fromkeys(why for other, why in told if other == case and why)
        print(f"{case:<24} {right[case]:>3} of {options.times}  {'; '.join(whys)}", flush=True)
    sys.exit(any(right[f"{each.tool} {each.mode}"] < options.times for each in planted))


if __name__ == "__main__":
    main()
