"""plugins/colbert/README.md: its example finds what it says, and runs with a late-interaction model."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

PAGE = (Path(__file__).resolve().parents[1] / "plugins" / "colbert" / "README.md").read_text()
CODE, PRINTED = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)[0]
NAMED = 'LLM("lightonai/GTE-ModernColBERT-v1")'


def run(model: str) -> str:
    """Return what the example prints with another model."""
    assert CODE.count(NAMED) == 1
    printed = io.StringIO()
    names: dict[str, object] = {"__name__": "readme"}
    with contextlib.redirect_stdout(printed):
        exec(compile(CODE.replace(NAMED, model), "README.md", "exec"), names)
    names["llm"].shutdown()  # type: ignore[attr-defined]
    return printed.getvalue()


def test_the_example_finds_what_the_page_says_with_a_model_that_is_there() -> None:
    assert run("LLM()") == PRINTED


def test_the_example_runs_with_a_late_interaction_model(tmp_path: Path) -> None:
    printed = run(f"LLM({str(build_checkpoint('gte_moderncolbert', tmp_path / 'm'))!r})")
    questions = [line.partition(": ")[0] for line in PRINTED.splitlines()]
    assert [line.partition(": ")[0] for line in printed.splitlines()] == questions
    assert all(re.fullmatch(r"\w+\.\w+", line.partition(": ")[2]) for line in printed.splitlines())


def test_the_example_is_short() -> None:
    assert len([line for line in CODE.splitlines() if line.strip()]) <= 20
