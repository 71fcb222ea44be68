"""How an agent comes to be where there is nothing but Python: a loader on the command line, then all the rest."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence

PARTS = ("wire", "processes", "files", "jobs", "agent", "bridge")
"""What is sent, in the order in which the parts need each other."""
FAR = "panther_core.remote.far"
OLDEST = (3, 9)
"""The version of Python that the agent needs."""
TOO_OLD = 78
"""The exit code of the loader where Python is older than it has to be."""
CANNOT_START = (126, 127)
"""The exit codes of a shell, and of a container engine, where there is no such program."""


def loader(oldest: tuple[int, int]) -> Sequence[str]:
    """Return the arguments with which a Python takes the program. Python 2 knows them too: it has to say what it is."""
    lines = (
        "import sys",
        f"sys.version_info<{oldest} and (sys.stderr.write('%d.%d.%d'%sys.version_info[:3]),sys.exit({TOO_OLD}))",
        "sys.path[:]=[each for each in sys.path if each]",
        "r=sys.stdin.buffer",
        "exec(compile(r.read(int(r.readline())),'panther-agent','exec'))",
    )
    return ("-E", "-s", "-S", "-c", ";".join(lines))


def bootstrap(config: Mapping[str, object]) -> bytes:
    """Return the program that becomes bridge and agent there, as the loader takes it."""
    package = importlib.resources.files(FAR)
    sources = {f"{FAR}.{name}": (package / f"{name}.py").read_text(encoding="utf-8") for name in PARTS}
    program = (
        "import json,sys,types\n"
        f"for each in ('panther_core','panther_core.remote','{FAR}'):\n"
        "    sys.modules[each]=types.ModuleType(each)\n"
        f"for name,text in json.loads({json.dumps(sources)!r}).items():\n"
        "    module=sys.modules[name]=types.ModuleType(name)\n"
        "    exec(compile(text,name,'exec'),module.__dict__)\n"
        f"sys.modules['{FAR}.bridge'].main(json.loads({json.dumps(config)!r}))\n"
    ).encode()
    return b"%d\n%s" % (len(program), program)
