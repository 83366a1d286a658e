"""README.md: its session runs, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

_PAGE = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_the_session_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```\n+```text\n(.*?)```", _PAGE, flags=re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(found[1], "README.md", "exec"), names)
    names["llm"].shutdown()
    assert capsys.readouterr().out == found[2]
