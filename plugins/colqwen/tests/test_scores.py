"""Scores of texts and images with each other: every side is read by the layout of its role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

_FAMILIES = ["colqwen3", "ops_colqwen3", "nemotron_colembed", "colqwen3_5"]


def _side(item: Any) -> Any:
    """Return a side of a score, of a text or a picture."""
    return item if isinstance(item, str | Mapping) else {"content": [{"type": "image_pil", "image_pil": item}]}


def _prompt(item: Any) -> Any:
    return item if isinstance(item, str | Mapping) else {"multi_modal_data": {"image": item}}


def _maxsim(query: Any, document: Any) -> float:
    rows, columns = (np.asarray(output.outputs.data, dtype=np.float64) for output in (query, document))
    return float((rows @ columns.T).max(axis=1).sum())


@pytest.mark.parametrize("family", _FAMILIES)
def test_texts_and_images_are_scored_by_the_vectors_of_their_roles(
    family: str, loaded: Any, encode: Any, picture: Any
) -> None:
    model = loaded(family)
    queries = ["what is on the page?", picture(64, 64, 1)]
    documents = ["a page of text", picture(), picture(128, 32, 2)]
    for query in queries:
        outputs = model.score(_side(query), [_side(document) for document in documents], use_tqdm=False)
        (asked,) = encode(model, [_prompt(query)], "query")
        read = encode(model, [_prompt(document) for document in documents], "document")
        for output, document in zip(outputs, read, strict=True):
            assert output.outputs.score == pytest.approx(_maxsim(asked, document), abs=2e-4)


def test_a_document_of_text_and_image_is_one_prompt(loaded: Any, encode: Any, picture: Any) -> None:
    model = loaded("colqwen3")
    parts = [{"type": "image_pil", "image_pil": picture()}, {"type": "text", "text": "a word"}]
    (output,) = model.score("what?", [{"content": parts}], use_tqdm=False)
    (asked,) = encode(model, ["what?"], "query")
    (read,) = encode(model, [{"prompt": "a word", "multi_modal_data": {"image": picture()}}], "document")
    assert output.outputs.score == pytest.approx(_maxsim(asked, read), abs=2e-4)


def test_prompts_in_a_batch_have_the_vectors_that_they_have_alone(loaded: Any, encode: Any, picture: Any) -> None:
    model = loaded("nemotron_colembed")
    prompts = [
        "short",
        {"multi_modal_data": {"image": picture(96, 64)}},
        "a longer text with more words than the first one",
        {"prompt": "with text", "multi_modal_data": {"image": picture(32, 160, 1)}},
        {"multi_modal_data": {"image": picture(96, 64)}},
    ]
    together = encode(model, prompts)
    for prompt, output in zip(prompts, together, strict=True):
        (alone,) = encode(model, [prompt])
        np.testing.assert_allclose(output.outputs.data.numpy(), alone.outputs.data.numpy(), atol=2e-6)
