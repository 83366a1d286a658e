"""README.md: its session runs, and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

_PAGE = (Path(__file__).resolve().parents[1] / "README.md").read_text()
_SESSIONS = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", _PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), _SESSIONS, ids=["ColPali", "ColModernVBERT"])
def test_a_session_prints_what_the_page_says(
    code: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), names)
    names["llm"].shutdown()
    assert capsys.readouterr().out == printed
