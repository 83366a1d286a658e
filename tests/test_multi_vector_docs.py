"""docs/tasks.md: what is said of a vector per token runs, and databases take it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM, PoolingParams
from cenote.testing.checkpoints import build_checkpoint

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "tasks.md").read_text()
TEXTS = ["A cenote is a natural pit that holds ground water.", "Bread is baked.", "The rope was too short for it."]
QUERY = "What is a cenote?"


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    with LLM(str(build_checkpoint("bert", tmp_path_factory.mktemp("bert")))) as made:
        yield made


@pytest.fixture(scope="module")
def ran(llm: LLM) -> dict[str, Any]:
    """What the examples of the section left behind."""
    section = PAGE.partition("## A vector per token\n")[2].partition("\n## ")[0]
    names: dict[str, Any] = {"llm": llm, "texts": TEXTS}
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, "docs/tasks.md", "exec"), names)
    return names


def test_qdrant_ranks_as_cenote_does(ran: dict[str, Any], llm: LLM) -> None:
    params = PoolingParams(pool_factor=2)
    wanted = llm.rerank(QUERY, TEXTS, score_type="colbert", pooling_params=params, use_tqdm=False)
    assert [point.id for point in ran["found"]] == [item.index for item in wanted]
    assert [point.score for point in ran["found"]] == pytest.approx([item.score for item in wanted], abs=1e-3)
    ran["client"].close()


def test_vespa_gets_the_signs_of_every_vector(ran: dict[str, Any]) -> None:
    """Source: docs.vespa.ai/en/reference/document-json-format.html, mixed tensors and hexadecimal cell values."""
    for at, (put, item) in enumerate(zip(ran["feed"], ran["documents"], strict=True)):
        assert put["put"].endswith(f"::{at}")
        cells = put["fields"]["colbert"]
        signs = [np.unpackbits(np.frombuffer(bytes.fromhex(cells[str(row)]), np.uint8)) for row in range(len(cells))]
        np.testing.assert_array_equal(np.array(signs) == 1, item.outputs.data.numpy() >= 0)
