"""What a model refuses, what it cuts, and that it goes on afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cenote.engine import LLM
from cenote.errors import InvalidRequest, PromptTooLong, UnsupportedTask
from cenote.registry import default_registry
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.conformance.base import AdapterBase, encode, run

__all__ = ["LimitTests", "RefusalTests"]


class LimitTests(AdapterBase):
    """Length, truncation and token ids."""

    @needs("texts")
    def test_an_over_long_text_is_refused(self, model: LLM, texts: list[str]) -> None:
        with pytest.raises(PromptTooLong, match=str(model.limits.max_tokens)):
            run(model, [texts[0], _over_long(model, texts)], self.tasks[0], {})

    @needs("texts")
    def test_truncation_keeps_the_limit_and_counts_the_rest(self, model: LLM, texts: list[str]) -> None:
        output = self._one(model, _over_long(model, texts), truncate_prompt_tokens=-1)
        assert len(output.prompt_token_ids) == model.limits.max_tokens
        assert output.truncated_tokens > 0

    @needs("texts")
    def test_truncation_keeps_the_special_tokens(self, model: LLM, texts: list[str]) -> None:
        whole = [output.prompt_token_ids for output in run(model, texts, self.tasks[0])]
        before, after = _common(whole), _common([ids[::-1] for ids in whole])
        longest = max(whole, key=len)
        kept = before + after + 3
        (output,) = run(model, [texts[whole.index(longest)]], self.tasks[0], {"truncate_prompt_tokens": kept})
        assert output.prompt_token_ids == [*longest[: before + 3], *longest[len(longest) - after :]]

    @needs("texts")
    def test_a_short_text_loses_nothing(self, model: LLM, texts: list[str]) -> None:
        assert self._one(model, min(texts, key=len), truncate_prompt_tokens=-1).truncated_tokens == 0

    @needs("pairs")
    def test_an_over_long_pair_is_refused(self, model: LLM, texts: list[str]) -> None:
        pair = {"text": texts[0], "text_pair": _over_long(model, texts)}
        with pytest.raises(PromptTooLong, match=str(model.limits.max_tokens)):
            run(model, [pair], self.tasks[0], {})
        (output,) = run(model, [pair], self.tasks[0])
        assert len(output.prompt_token_ids) <= model.limits.max_tokens

    def test_token_ids_give_the_same_as_text(self, model: LLM, prompts: list[Any], alone: list[Any]) -> None:
        outputs = run(model, prompts, self.tasks[0])
        # The second text of a pair has segment ids of its own, which token ids alone do not carry.
        if self.reads == "texts":
            ids = [output.prompt_token_ids for output in outputs]
            found = encode(model, ids, self.tasks[0])
            assert_all_close(found, alone, tolerance=self.tolerance, name="token ids")
        assert all(output.prompt_token_ids for output in outputs)

    def test_the_last_token_id_is_accepted(self, model: LLM) -> None:
        last = model.limits.max_token_id
        if "image" in model.limits.modalities:
            last -= _is_placeholder(model, last)
        assert np.isfinite(encode(model, [[last]], self.tasks[0])[0]).all()

    def _one(self, model: LLM, text: str, **tokenization: Any) -> Any:
        return run(model, [text], self.tasks[0], tokenization)[0]


def _is_placeholder(model: LLM, token: int) -> bool:
    """Tell whether a token stands for an image, so that it is refused without one."""
    text = model.get_tokenizer().convert_ids_to_tokens(token)
    return text is not None and "image" in text


class RefusalTests(AdapterBase):
    """Wrong requests, which name what is wrong and harm nobody else."""

    def test_no_prompts_are_refused(self, model: LLM) -> None:
        with pytest.raises(InvalidRequest):
            run(model, [], self.tasks[0])

    def test_a_prompt_without_tokens_is_refused(self, model: LLM) -> None:
        with pytest.raises(InvalidRequest):
            run(model, [[]], self.tasks[0])

    @needs("texts")
    def test_an_empty_text_is_refused_where_nothing_is_added(self, model: LLM) -> None:
        with pytest.raises(InvalidRequest):
            run(model, [""], self.tasks[0], {"add_special_tokens": False})

    def test_token_ids_outside_the_vocabulary_are_refused(self, model: LLM) -> None:
        for bad in (model.limits.max_token_id + 1, -1):
            with pytest.raises(InvalidRequest):
                run(model, [[bad]], self.tasks[0])

    def test_a_refused_prompt_leaves_the_model_usable(self, model: LLM, prompts: list[Any], alone: list[Any]) -> None:
        with pytest.raises(InvalidRequest):
            run(model, [prompts[0], [-1]], self.tasks[0])
        assert_close(encode(model, prompts[:1], self.tasks[0])[0], alone[0], tolerance=self.tolerance)

    def test_an_unsupported_task_is_refused_by_name(self, model: LLM, prompts: list[Any]) -> None:
        for task in sorted(set(default_registry().names("cenote.tasks")) - {*model.supported_tasks, "plugin"}):
            with pytest.raises(UnsupportedTask, match=task):
                run(model, prompts[:1], task)
        with pytest.raises(InvalidRequest):
            run(model, prompts[:1], "no-such-task")


def _common(sequences: Sequence[Sequence[int]]) -> int:
    """Return how many leading ids all sequences share."""
    alike = (len(set(ids)) == 1 for ids in zip(*sequences, strict=False))
    return next((index for index, same in enumerate(alike) if not same), min(map(len, sequences)))


def _over_long(model: LLM, texts: Sequence[str]) -> str:
    """Return a text that has more tokens than the model accepts (a token never holds more than a whole text)."""
    joined = " ".join(texts)
    return " ".join([joined] * (2 + model.limits.max_tokens // len(texts)))
