"""What a model made of images travels with the tokens that stand for them."""

from __future__ import annotations

import pytest

from cenote.adapters.packing import pack, select
from cenote.errors import PromptTooLong
from cenote.inputs.chunks import cut_tokens
from cenote.inputs.padding import pad_to
from cenote.types import PreparedInput


def test_media_stay_with_their_sequences() -> None:
    batch = pack([(1, 2), (3,), (4, 5, 6)], media=[None, "second", "third"])
    assert batch.media == (None, "second", "third")
    assert select(batch, [2, 0]).media == ("third", None)


def test_a_batch_without_media_says_so_in_one_word() -> None:
    batch = pack([(1, 2), (3,)], media=[None, None])
    assert batch.media == select(batch, [1]).media == pack([(1,)]).media == ()


def test_padding_on_request_keeps_media_and_cutting_refuses_them() -> None:
    prepared = PreparedInput(token_ids=(1, 2, 3), media="image")
    assert pad_to(prepared, 5, 0).media == "image"
    with pytest.raises(PromptTooLong, match="has 3 tokens with its media, more than the 2 of this model"):
        cut_tokens(prepared, 2)
