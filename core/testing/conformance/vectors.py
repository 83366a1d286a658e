"""`embed`, `token_embed` and `sparse_embed`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cenote.engine import LLM
from cenote.errors import InvalidRequest
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.conformance.base import AdapterBase, Alone, Reference, encode, run

__all__ = ["SparseTests", "TokenTests", "VectorTests"]


class VectorTests(AdapterBase):
    """One vector per text."""

    @needs("embed", "texts")
    def test_different_texts_have_different_vectors(self, each_alone: Alone) -> None:
        rows = each_alone("embed")
        unit = np.stack([np.asarray(row) / np.linalg.norm(row) for row in rows])
        distance = 1 - unit @ unit.T + 2 * np.eye(len(rows))
        assert distance.min() > self.separation

    @needs("embed", "reference")
    def test_vectors_equal_the_reference(self, reference: Reference, texts: list[str], each_alone: Alone) -> None:
        assert_all_close(each_alone("embed"), reference(texts), tolerance=self.tolerance, name="embed")

    @needs("embed")
    def test_embed_gives_the_numbers_of_encode(self, model: LLM, texts: list[str]) -> None:
        for output, row in zip(model.embed(texts[:3], use_tqdm=False), encode(model, texts[:3], "embed"), strict=True):
            assert len(output.outputs.embedding) == model.limits.embedding_size
            assert_close(output.outputs.embedding, row, tolerance=self.tolerance)

    @needs("embed", "normalized")
    def test_vectors_have_length_one_when_normalized(self, each_alone: Alone) -> None:
        lengths = np.linalg.norm(np.stack(each_alone("embed")), axis=1)
        if self.normalized:
            assert np.abs(lengths - 1).max() < 1e-5
        else:
            assert np.abs(lengths - 1).min() > 1e-3

    @needs("embed")
    def test_use_activation_decides_on_normalization(self, model: LLM, texts: list[str]) -> None:
        raw, unit = (encode(model, texts[:2], "embed", use_activation=wanted) for wanted in (False, True))
        for before, after in zip(raw, unit, strict=True):
            assert_close(after, before / np.linalg.norm(before), tolerance=self.tolerance, name="normalised")

    @needs("embed", "dimensions")
    def test_vectors_are_cut_to_the_sizes_offered(self, model: LLM, texts: list[str]) -> None:
        for size in self.dimensions or ():
            for row in encode(model, texts[:2], "embed", dimensions=size, use_activation=True):
                assert row.shape == (size,)
                assert abs(np.linalg.norm(row) - 1) < 1e-5
        with pytest.raises(InvalidRequest):
            encode(model, texts[:1], "embed", dimensions=model.limits.embedding_size + 1)

    @needs("embed", "fixed size")
    def test_vectors_that_cannot_be_cut_are_not(self, model: LLM, texts: list[str]) -> None:
        with pytest.raises(InvalidRequest, match="matryoshka"):
            encode(model, texts[:1], "embed", dimensions=model.limits.embedding_size // 2)


class TokenTests(AdapterBase):
    """One vector per token."""

    @needs("token_embed", "token_reference")
    def test_token_vectors_equal_the_reference(self, model: LLM, token_reference: Reference, texts: list[str]) -> None:
        found = encode(model, texts, "token_embed", use_activation=False)
        assert_all_close(found, token_reference(texts), tolerance=self.tolerance, name="token_embed")

    @needs("token_embed", "embed", "pooled tokens", "normalized")
    def test_token_vectors_pool_to_the_embedding(self, model: LLM, texts: list[str], each_alone: Alone) -> None:
        pool: dict[str, Any] = {
            "MEAN": lambda rows: rows.mean(0),
            "CLS": lambda rows: rows[0],
            "LAST": lambda rows: rows[-1],
        }
        for rows, expected in zip(
            encode(model, texts, "token_embed", use_activation=False), each_alone("embed"), strict=True
        ):
            pooled = pool[self.pooling](rows)
            found = pooled / np.linalg.norm(pooled) if self.normalized else pooled
            assert_close(found, expected, tolerance=self.tolerance, name=f"{self.pooling} of token_embed")


class SparseTests(AdapterBase):
    """Weights of the terms of a vocabulary."""

    @needs("sparse_embed")
    def test_terms_are_in_order_and_have_weights(self, model: LLM, texts: list[str]) -> None:
        for output in run(model, texts, "sparse_embed"):
            data = output.outputs.data
            assert data.is_sparse
            assert data.is_coalesced()
            ids = data.indices()[0].tolist()
            assert ids == sorted(set(ids))
            assert bool((data.values() != 0).all())

    @needs("sparse_embed")
    def test_sparse_embed_gives_the_numbers_of_encode(self, model: LLM, texts: list[str]) -> None:
        (raw,) = run(model, texts[:1], "sparse_embed")
        (typed,) = model.sparse_embed(texts[:1], use_tqdm=False)
        assert typed.outputs.indices == raw.outputs.data.indices()[0].tolist()
        assert_close(typed.outputs.values, raw.outputs.data.values(), tolerance=self.tolerance)

    @needs("sparse_embed", "sparse_reference")
    def test_weights_equal_the_reference(
        self, sparse_reference: Reference, texts: list[str], each_alone: Alone
    ) -> None:
        expected = sparse_reference(texts)
        assert_all_close(each_alone("sparse_embed"), expected, tolerance=self.tolerance, name="sparse_embed")
