"""The page that says how to add an implementation does it."""

from __future__ import annotations

import re
import types
from pathlib import Path

import pytest

from panther_core.testing import MakeProject

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-quic-implementation.md"
FILE = re.compile(r"^<!-- file: (\S+) -->\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_LINES = 60


def test_one_file_of_data_and_a_few_lines_of_python_make_an_implementation(
    panther_project: MakeProject, tmp_path: Path
) -> None:
    pytest.importorskip("hypercorn", reason="needs hypercorn (Python: hypercorn[h3])")
    files = dict(FILE.findall(PAGE.read_text()))
    assert sorted(files) == ["implementation.toml", "plugin.py", "try.yaml"]
    assert len(files["plugin.py"].splitlines()) < MOST_LINES
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    module = types.ModuleType("hypercorn_plugin")
    module.__file__ = str(tmp_path / "plugin.py")
    exec(compile(files["plugin.py"], module.__file__, "exec"), module.__dict__)
    outcome = panther_project({"try.yaml": files["try.yaml"]}, plugins=[module]).run("run try.yaml")
    outcome.assert_ok()
    outcome.assert_verdicts({"handshake": "pass", "http3": "pass", "retry": "unsupported"})
