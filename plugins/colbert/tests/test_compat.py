"""With `compat="vllm"`: texts as any text, and a vector for every token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.testing.compare import assert_close


@pytest.mark.parametrize(
    "family", ["colbert_v2", "gte_moderncolbert", "jina_colbert_v2", "lfm2_colbert", "multi_vector_encoder"]
)
def test_both_roles_are_read_alike(family: str, folder_of: Callable[[str], Path], encode: Any) -> None:
    words = load_tokenizer(open_checkpoint(str(folder_of(family))))
    text = "What, is it?!"
    with LLM(str(folder_of(family)), compat="vllm") as model:
        found = [encode(model, [text], role)[0] for role in (None, "query", "document")]
        assert "query marker" not in model.report()
    for output in found:
        assert output.prompt_token_ids == words.encode(text)
        assert len(output.outputs.data) == len(output.prompt_token_ids)
        assert (output.outputs.data == found[0].outputs.data).all()


def test_the_projection_is_that_of_the_model(
    folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], vectors: Any, encode: Any
) -> None:
    with LLM(str(folder_of("gte_moderncolbert")), compat="vllm") as model:
        (output,) = encode(model, ["what is it"])
    (same,) = vectors(loaded("gte_moderncolbert"), [output.prompt_token_ids], "query")
    assert_close(output.outputs.data.numpy(), same, tolerance=2e-5)
