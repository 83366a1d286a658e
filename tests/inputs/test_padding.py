"""Prompts filled with padding ids."""

from __future__ import annotations

from cenote.inputs.padding import pad_to
from cenote.types import PreparedInput


def test_padding_goes_on_the_right_and_keeps_the_segment_of_the_last_token() -> None:
    prompt = PreparedInput(token_ids=(5, 6, 7), token_type_ids=(0, 0, 1), truncated_tokens=2)
    padded = pad_to(prompt, 5, 9)
    assert (padded.token_ids, padded.token_type_ids) == ((5, 6, 7, 9, 9), (0, 0, 1, 1, 1))
    assert padded.truncated_tokens == 2


def test_a_prompt_of_that_length_stays_as_it_is() -> None:
    prompt = PreparedInput(token_ids=(5, 6))
    assert pad_to(prompt, 2, 9) == pad_to(prompt, 1, 9) == prompt
