"""docs/late_interaction.md: its code runs on a look-alike, and what databases get has the order that cenote gives."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.live import serving

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "late_interaction.md").read_text()
SECTIONS = ("Getting the vectors", "Scores", "MaxSim for your own vectors", "In Qdrant", "In Vespa")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the examples leave behind, run one after the other."""
    folder = str(build_checkpoint("gte_moderncolbert", tmp_path_factory.mktemp("colbert") / "m"))
    names: dict[str, Any] = {"folder": folder}
    for section in SECTIONS:
        text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
        assert blocks
        for block in blocks:
            code = block.replace("lightonai/GTE-ModernColBERT-v1", folder)
            exec(compile(code, "docs/late_interaction.md", "exec"), names)
    yield names
    names["client"].close()
    names["llm"].shutdown()


def test_the_server_gives_the_vectors_of_the_page(ran: dict[str, Any], tmp_path: Path) -> None:
    (line,) = re.findall(r"^\$ (curl .*)$", PAGE, flags=re.MULTILINE)
    body = {"task": "token_embed", "input_type": "document", "input": ran["texts"]}
    with serving(tmp_path / "log", ran["folder"]) as address:
        command = line.replace("http://127.0.0.1:8000", address)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
        text, raw = (
            httpx.post(f"{address}/pooling", json={**body, "encoding_format": encoding}, timeout=60)
            for encoding in ("base64", "bytes")
        )
    (row,) = json.loads(done.stdout)["data"]
    expected = ran["documents"][0].outputs
    assert row["positions"] == expected.positions
    np.testing.assert_allclose(row["data"], expected.data.numpy(), atol=2e-5)
    for found in (ran["from_base64"](text.json()), ran["from_bytes"](raw.content, raw.headers["metadata"])):
        for vectors, document in zip(found, ran["documents"], strict=True):
            np.testing.assert_allclose(vectors, document.outputs.data.numpy(), atol=2e-5)


def scores(ran: dict[str, Any]) -> list[float]:
    outputs = ran["llm"].score("What is a cenote?", ran["texts"], use_tqdm=False)
    return [output.outputs.score for output in outputs]


def by_maxsim(query: Any, documents: list[Any]) -> list[float]:
    return [float((query @ rows.T).max(axis=1).sum()) for rows in documents]


def rows(cells: dict[str, Any]) -> Any:
    """Return the vectors of a mixed tensor in the order of its labels."""
    assert list(cells) == ["blocks"]
    assert list(cells["blocks"]) == [str(label) for label in range(len(cells["blocks"]))]
    return np.array(list(cells["blocks"].values()))


def test_qdrant_gives_the_scores_of_cenote_best_first(ran: dict[str, Any]) -> None:
    expected = scores(ran)
    best = sorted(range(3), key=lambda at: -expected[at])[:2]
    assert [point.id for point in ran["found"]] == best
    assert [point.score for point in ran["found"]] == pytest.approx([expected[at] for at in best], abs=1e-3)


def test_qdrant_searches_whole_numbers_and_signs(ran: dict[str, Any]) -> None:
    expected = scores(ran)
    found = {point.id: point.score / 127**2 for point in ran["by_bytes"]}
    assert [found[at] for at in range(3)] == pytest.approx(expected, rel=2e-2)
    query = ran["query"].outputs.data.numpy()
    signs = [np.where(output.outputs.data.numpy() >= 0, 1.0, -1.0) for output in ran["documents"]]
    found = {point.id: point.score for point in ran["by_bits"]}
    assert [found[at] for at in range(3)] == pytest.approx(by_maxsim(query, signs), abs=1e-3)


def test_vespa_gets_mixed_tensors_whose_ranking_expression_is_maxsim(ran: dict[str, Any]) -> None:
    """Source: docs.vespa.ai/en/reference/document-json-format.html, mixed tensors."""
    puts = [json.loads(line) for line in ran["feed"]]
    query = rows(json.loads(json.dumps(ran["request"]))["input.query(q)"])
    floats = [rows(put["fields"]["colbert"]) for put in puts]
    assert by_maxsim(query, floats) == pytest.approx(scores(ran), abs=1e-3)
    for put, vectors in zip(puts, floats, strict=True):
        packed = rows(put["fields"]["bits"])
        assert packed.shape == (len(vectors), vectors.shape[1] // 8)
        assert packed.min() >= -128
        assert packed.max() <= 127
        unpacked = np.unpackbits(packed.astype(np.int8).view(np.uint8), axis=1)
        np.testing.assert_array_equal(unpacked == 1, vectors >= 0)


def test_positions_name_the_tokens_of_the_vectors(ran: dict[str, Any]) -> None:
    output = ran["documents"][0]
    assert len(output.outputs.positions) == len(output.outputs.data) < len(output.prompt_token_ids)


def test_your_own_vectors_have_a_score_per_document(ran: dict[str, Any]) -> None:
    assert (type(ran["scores"]), ran["scores"].shape, ran["scores"].dtype) == (np.ndarray, (3,), np.float32)
