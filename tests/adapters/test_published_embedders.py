"""Published embedders by their files alone: pooling, length, prompts and heads as sentence-transformers takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from cenote import LLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close
from cenote.testing.texts import sample_texts

CUT = {"truncate_prompt_tokens": -1}
ST = "(sentence_transformers)"
#: Look-alike, then what its files resolve to.
ROWS: list[tuple[str, dict[str, str]]] = [
    ("e5", {"pooling": f"MEAN {ST}", "attention": "bidirectional"}),
    ("bge", {"pooling": f"CLS {ST}", "attention": "bidirectional"}),
    ("arctic", {"pooling": f"CLS {ST}", "attention": "bidirectional"}),
    ("e5_mistral", {"pooling": f"LAST {ST}", "attention": "causal"}),
    ("qwen3", {"pooling": f"LAST {ST}", "attention": "causal"}),
    ("eurobert", {"pooling": f"MEAN {ST}", "attention": "bidirectional"}),
    ("embeddinggemma", {"pooling": f"MEAN {ST}", "attention": "bidirectional"}),
]


@pytest.mark.parametrize(("name", "expected"), ROWS, ids=[name for name, _ in ROWS])
def test_files_resolve_to_what_sentence_transformers_computes(
    name: str, expected: dict[str, str], tmp_path: Path
) -> None:
    folder = build_checkpoint(name, tmp_path)
    reference = SentenceTransformer(str(folder), device="cpu")
    with LLM(str(folder)) as model:
        report = model.report()
        for key, value in expected.items():
            assert report[key].startswith(value)
        assert report["normalize"] == f"True {ST}"
        assert report["execution"].startswith("packed")
        assert model.limits.embedding_size == reference.get_embedding_dimension()
        assert model.limits.max_tokens == reference.max_seq_length
        assert_all_close(embed(model), reference.encode(sample_texts()), tolerance=2e-5)
        for prompt in [prompt for prompt, text in reference.prompts.items() if text]:
            with_prompt = reference.encode(sample_texts(), prompt_name=prompt)
            assert_all_close(embed(model, prompt_name=prompt), with_prompt, tolerance=2e-5, name=prompt)
            if prompt in ("query", "document"):
                assert_all_close(embed(model, role=prompt), with_prompt, tolerance=2e-5, name=prompt)


def embed(model: LLM, **options: Any) -> list[Any]:
    """Return vectors of the sample texts, over-long ones cut as sentence-transformers cuts them."""
    outputs = model.embed(sample_texts(), tokenization_kwargs=CUT, use_tqdm=False, **options)
    return [np.asarray(output.outputs.embedding) for output in outputs]
