"""Makes ``python -m panther_core`` the same as ``panther``."""

from __future__ import annotations

from panther_core.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
