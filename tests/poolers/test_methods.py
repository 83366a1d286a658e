"""Pooling methods equal sentence-transformers' `Pooling` module on padded copies of the same rows."""

from __future__ import annotations

import pytest
import torch

from cenote.poolers.sequence import get_method

LENGTHS = (3, 1, 7, 7, 4)
NAMES = {
    "CLS": "cls",
    "LAST": "lasttoken",
    "MEAN": "mean",
    "MAX": "max",
    "MEAN_SQRT_LEN": "mean_sqrt_len_tokens",
    "WEIGHTED_MEAN": "weightedmean",
}


def _reference(mode: str, hidden: torch.Tensor, include_prompt: bool, prompt_length: int) -> torch.Tensor:
    from sentence_transformers.sentence_transformer.modules import Pooling

    padded = torch.nn.utils.rnn.pad_sequence(list(hidden.split(LENGTHS)), batch_first=True, padding_value=9.0)
    mask = torch.arange(padded.shape[1])[None] < torch.tensor(LENGTHS)[:, None]
    pooling = Pooling(hidden.shape[1], pooling_mode=mode, include_prompt=include_prompt)
    features = {"token_embeddings": padded, "attention_mask": mask.long(), "prompt_length": prompt_length}
    return pooling(features)["sentence_embedding"]


@pytest.mark.parametrize(("name", "mode"), NAMES.items())
def test_a_method_equals_sentence_transformers(name: str, mode: str) -> None:
    hidden = torch.randn(sum(LENGTHS), 6, generator=torch.Generator().manual_seed(1))
    found = get_method(name)(hidden, LENGTHS, (0,) * len(LENGTHS))
    torch.testing.assert_close(found, _reference(mode, hidden, True, 0), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["MEAN", "MEAN_SQRT_LEN", "WEIGHTED_MEAN"])
def test_left_out_prompt_tokens_equal_sentence_transformers(name: str) -> None:
    hidden = torch.randn(sum(LENGTHS), 6, generator=torch.Generator().manual_seed(2))
    found = get_method(name)(hidden, LENGTHS, (2,) * len(LENGTHS))
    expected = _reference(NAMES[name], hidden, False, 2)
    longer = [length > 2 for length in LENGTHS]
    torch.testing.assert_close(found[longer], expected[longer], atol=1e-6, rtol=1e-6)


def test_nothing_left_to_pool_gives_zeros_not_nan() -> None:
    assert get_method("MEAN")(torch.ones(2, 3), (2,), (2,)).tolist() == [[0.0, 0.0, 0.0]]


def test_joined_names_concatenate() -> None:
    hidden = torch.arange(8.0).reshape(4, 2)
    assert get_method("CLS+LAST")(hidden, (4,), (0,)).tolist() == [[0.0, 1.0, 6.0, 7.0]]


def test_half_precision_is_accumulated_in_float32() -> None:
    hidden = torch.full((4096, 2), 0.1, dtype=torch.bfloat16)
    pooled = get_method("MEAN")(hidden, (4096,), (0,))
    assert pooled.dtype == torch.float32
    assert torch.allclose(pooled, hidden[:1].float(), atol=1e-5)
