"""PANTHER for one attempt, ``python -m panther_executor_dask.child FOLDER``: even if its worker is killed, it goes too.

Its input ends with the worker; then it ends what it runs, and removes its folder.
"""

from __future__ import annotations

import runpy
import shutil
import sys

if __name__ == "__main__":
    try:
        runpy.run_module("panther_core.away", run_name="__main__", alter_sys=True)
    finally:
        shutil.rmtree(sys.argv[1], ignore_errors=True)
