"""Conformance tests of an adapter: subclass, name the checkpoint, and pytest runs them all.

    class TestMyModel(AdapterConformance):
        pooling = "LAST"

        @pytest.fixture(scope="class")
        @classmethod
        def checkpoint(cls, tmp_path_factory):
            return build_checkpoint("qwen3", tmp_path_factory.mktemp("model"))

The class attributes say what the model is like; a test that does not apply to such a model passes at once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cenote.checkpoints import open_checkpoint
from cenote.engine import LLM
from cenote.errors import InvalidRequest, PromptTooLong, UnsupportedTask
from cenote.registry import ResolvedAdapter, resolve_adapter
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.texts import sample_texts
from cenote.types import PoolingParams

__all__ = ["AdapterConformance", "Reference"]

#: From texts to one array per text.
Reference = Callable[[Sequence[str]], Sequence[Any]]

_LIST_SPEC = """
import sys
from cenote.registry import default_registry
registry = default_registry()
entries = [e for group in registry.entries("cenote.architectures").values() for e in group]
found = [e for e in entries if registry.load(e).name == sys.argv[1]]
assert found, "no entry point offers " + sys.argv[1]
print(",".join(sorted({"torch", "transformers"} & set(sys.modules))))
"""


@lru_cache
def _heavy_modules_of(spec_name: str) -> str:
    """Return which heavy modules a fresh process has imported after loading the spec of this name."""
    # -P keeps the working directory off the path: a checkout's own *.egg-info there would hide the installed one.
    done = subprocess.run([sys.executable, "-P", "-c", _LIST_SPEC, spec_name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class AdapterConformance:
    """What every adapter must do. Results are compared with `tolerance`, relative for vectors not normalised.

    Attributes:
        pooling: how the checkpoint pools: `MEAN`, `CLS`, `LAST`, or another name.
        normalized: `embed` gives vectors of length 1.
        linear_head: what follows pooling commutes with a mean (nothing, or Dense modules without bias and activation).
        tolerance: largest difference allowed between two ways to compute the same.
        separation: smallest distance (1 - cosine) between vectors of different texts.
        options: further options of `LLM`.
    """

    pooling: ClassVar[str] = "MEAN"
    normalized: ClassVar[bool] = True
    linear_head: ClassVar[bool] = True
    tolerance: ClassVar[float] = 2e-5
    separation: ClassVar[float] = 1e-3
    options: ClassVar[Mapping[str, Any]] = {}

    # Fixtures to override.

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls) -> str | Path:
        """Folder or name of the checkpoint. Must be overridden."""
        raise NotImplementedError(f"{cls.__name__} must override the fixture 'checkpoint'.")

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls) -> Reference | None:
        """From texts to their `embed` vectors by the model's own library, over-long texts cut; None: not compared."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls) -> Reference | None:
        """From texts to their [tokens, hidden] backbone outputs by the model's own library; None: not compared."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def texts(cls) -> list[str]:
        """Texts to embed: of unlike lengths, at least four."""
        return sample_texts()

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint: str | Path) -> Iterator[LLM]:
        """The loaded model."""
        with LLM(str(checkpoint), **cls.options) as model:
            yield model

    @pytest.fixture(scope="class")
    @classmethod
    def resolved(cls, checkpoint: str | Path) -> ResolvedAdapter:
        """What the registry chose for the checkpoint."""
        facts = open_checkpoint(str(checkpoint))
        return resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type)

    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls, model: LLM, texts: list[str]) -> list[Any]:
        """The vector of each text, computed in a call of its own."""
        return [_embed(model, [text])[0] for text in texts]

    # Results do not depend on the company.

    def test_a_batch_equals_each_text_alone(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        assert_all_close(_embed(model, texts), alone, tolerance=self.tolerance, name="batched")

    def test_the_order_of_texts_does_not_matter(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        assert_all_close(_embed(model, texts[::-1])[::-1], alone, tolerance=self.tolerance, name="reversed")

    def test_neighbours_do_not_matter(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        for index, text in enumerate(texts):
            company = [texts[index - 1], text, texts[index - 2], text, *texts[:3]]
            found = _embed(model, company)
            assert_close(found[1], alone[index], tolerance=self.tolerance, name=f"text {index} in the middle")
            assert_close(found[3], alone[index], tolerance=self.tolerance, name=f"text {index} repeated")

    def test_threads_get_what_one_caller_gets(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        def work(shift: int) -> list[Any]:
            rotated = texts[shift:] + texts[:shift]
            found = _embed(model, rotated)
            return found[len(texts) - shift :] + found[: len(texts) - shift]

        with ThreadPoolExecutor(4) as pool:
            for shift, found in enumerate(pool.map(work, range(4))):
                assert_all_close(found, alone, tolerance=self.tolerance, name=f"thread {shift}")

    def test_different_texts_have_different_vectors(self, texts: list[str], alone: list[Any]) -> None:
        unit = np.stack([np.asarray(row) / np.linalg.norm(row) for row in alone])
        distance = 1 - unit @ unit.T + 2 * np.eye(len(texts))
        assert distance.min() > self.separation

    # Results are the reference's.

    def test_vectors_equal_the_reference(self, reference: Reference | None, texts: list[str], alone: list[Any]) -> None:
        if reference is not None:
            assert_all_close(alone, reference(texts), tolerance=self.tolerance, name="embed")

    def test_token_vectors_equal_the_reference(
        self, model: LLM, token_reference: Reference | None, texts: list[str]
    ) -> None:
        if token_reference is not None:
            found = _token_embed(model, texts, normalize=False)
            assert_all_close(found, token_reference(texts), tolerance=self.tolerance, name="token_embed")

    # Form of the results.

    def test_vectors_are_finite_float32_of_the_declared_size(self, model: LLM, texts: list[str]) -> None:
        for output in model.encode(texts, pooling_task="embed", use_tqdm=False, tokenization_kwargs=_CUT):
            data = output.outputs.data
            assert tuple(data.shape) == (model.limits.embedding_size,)
            assert str(data.dtype) == "torch.float32"
            assert data.device.type == "cpu"
            assert bool(data.isfinite().all())

    def test_embed_gives_the_numbers_of_encode(self, model: LLM, texts: list[str]) -> None:
        for output, row in zip(model.embed(texts[:3], use_tqdm=False), _embed(model, texts[:3]), strict=True):
            assert len(output.outputs.embedding) == model.limits.embedding_size
            assert_close(output.outputs.embedding, row, tolerance=self.tolerance)

    def test_vectors_have_length_one_when_normalized(self, model: LLM, alone: list[Any]) -> None:
        lengths = np.linalg.norm(np.stack(alone), axis=1)
        if self.normalized:
            assert np.abs(lengths - 1).max() < 1e-5
        else:
            assert np.abs(lengths - 1).min() > 1e-3

    def test_use_activation_decides_on_normalization(self, model: LLM, texts: list[str]) -> None:
        raw, unit = (_embed(model, texts[:2], use_activation=wanted) for wanted in (False, True))
        for before, after in zip(raw, unit, strict=True):
            assert_close(after, before / np.linalg.norm(before), tolerance=self.tolerance, name="normalised")

    def test_each_token_has_a_vector(self, model: LLM, texts: list[str]) -> None:
        outputs = model.encode(texts, pooling_task="token_embed", use_tqdm=False, tokenization_kwargs=_CUT)
        for output in outputs:
            assert output.outputs.data.shape[0] == len(output.prompt_token_ids)

    def test_token_vectors_pool_to_the_embedding(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        pool = {"MEAN": lambda rows: rows.mean(0), "CLS": lambda rows: rows[0], "LAST": lambda rows: rows[-1]}
        if self.pooling not in pool or not self.linear_head:
            return
        for rows, expected in zip(_token_embed(model, texts, normalize=False), alone, strict=True):
            pooled = pool[self.pooling](rows)
            found = pooled / np.linalg.norm(pooled) if self.normalized else pooled
            assert_close(found, expected, tolerance=self.tolerance, name=f"{self.pooling} of token_embed")

    def test_token_ids_give_the_same_as_text(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        outputs = model.encode(texts, pooling_task="embed", use_tqdm=False, tokenization_kwargs=_CUT)
        ids = [output.prompt_token_ids for output in outputs]
        assert_all_close(_embed(model, ids), alone, tolerance=self.tolerance, name="token ids")

    # Limits and refusals.

    def test_an_over_long_text_is_refused(self, model: LLM, texts: list[str]) -> None:
        with pytest.raises(PromptTooLong, match=str(model.limits.max_tokens)):
            model.embed([texts[0], _over_long(model, texts)], use_tqdm=False)

    def test_truncation_keeps_the_limit_and_counts_the_rest(self, model: LLM, texts: list[str]) -> None:
        long = _over_long(model, texts)
        output = _encode_one(model, long, truncate_prompt_tokens=-1)
        assert len(output.prompt_token_ids) == model.limits.max_tokens
        assert output.truncated_tokens > 0

    def test_truncation_keeps_the_special_tokens(self, model: LLM, texts: list[str]) -> None:
        before, after = _special_tokens(model, min(texts, key=len))
        kept = len(before) + len(after) + 3
        longest = max(texts, key=len)
        bare = _encode_one(model, longest, add_special_tokens=False, **_CUT).prompt_token_ids
        cut = _encode_one(model, longest, truncate_prompt_tokens=kept).prompt_token_ids
        assert cut == [*before, *bare[:3], *after]

    def test_a_short_text_loses_nothing(self, model: LLM, texts: list[str]) -> None:
        assert _encode_one(model, min(texts, key=len), truncate_prompt_tokens=-1).truncated_tokens == 0

    def test_no_prompts_are_refused(self, model: LLM) -> None:
        with pytest.raises(InvalidRequest):
            model.embed([], use_tqdm=False)

    def test_a_prompt_without_tokens_is_refused(self, model: LLM) -> None:
        with pytest.raises(InvalidRequest):
            model.embed([[]], use_tqdm=False)
        with pytest.raises(InvalidRequest):
            model.embed([""], use_tqdm=False, tokenization_kwargs={"add_special_tokens": False})

    def test_token_ids_outside_the_vocabulary_are_refused(self, model: LLM) -> None:
        for bad in (model.limits.max_token_id + 1, -1):
            with pytest.raises(InvalidRequest):
                model.embed([[bad]], use_tqdm=False)

    def test_the_last_token_id_is_accepted(self, model: LLM) -> None:
        assert np.isfinite(_embed(model, [[model.limits.max_token_id]])[0]).all()

    def test_a_refused_prompt_leaves_the_model_usable(self, model: LLM, texts: list[str], alone: list[Any]) -> None:
        with pytest.raises(InvalidRequest):
            _embed(model, [texts[0], [-1]])
        assert_close(_embed(model, texts[:1])[0], alone[0], tolerance=self.tolerance)

    def test_an_unsupported_task_is_refused_by_name(self, model: LLM, texts: list[str]) -> None:
        for task in {"embed", "token_embed", "classify", "token_classify"} - set(model.supported_tasks):
            with pytest.raises(UnsupportedTask, match=task):
                model.encode(texts[:1], pooling_task=task, use_tqdm=False)
        with pytest.raises(InvalidRequest):
            model.encode(texts[:1], pooling_task="no-such-task", use_tqdm=False)

    # The spec.

    def test_the_spec_names_the_tasks_of_the_model(self, model: LLM, resolved: ResolvedAdapter) -> None:
        assert set(resolved.spec.tasks) == set(model.supported_tasks)

    def test_the_spec_names_the_modalities_of_the_model(self, model: LLM, resolved: ResolvedAdapter) -> None:
        assert set(resolved.spec.modalities) == set(model.limits.modalities)

    def test_importing_the_spec_loads_no_torch(self, resolved: ResolvedAdapter) -> None:
        assert _heavy_modules_of(resolved.spec.name) == ""


_CUT = {"truncate_prompt_tokens": -1}


def _embed(model: LLM, prompts: Any, use_activation: bool | None = None) -> list[Any]:
    params = PoolingParams(use_activation=use_activation)
    outputs = model.encode(prompts, params, pooling_task="embed", use_tqdm=False, tokenization_kwargs=_CUT)
    return [output.outputs.data.numpy() for output in outputs]


def _token_embed(model: LLM, prompts: Any, *, normalize: bool) -> list[Any]:
    params = PoolingParams(use_activation=normalize)
    outputs = model.encode(prompts, params, pooling_task="token_embed", use_tqdm=False, tokenization_kwargs=_CUT)
    return [output.outputs.data.numpy() for output in outputs]


def _encode_one(model: LLM, text: str, **tokenization: Any) -> Any:
    return model.encode([text], pooling_task="embed", use_tqdm=False, tokenization_kwargs=tokenization)[0]


def _special_tokens(model: LLM, text: str) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts in front of a text and behind it."""
    whole = _encode_one(model, text).prompt_token_ids
    bare = _encode_one(model, text, add_special_tokens=False).prompt_token_ids
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def _over_long(model: LLM, texts: Sequence[str]) -> str:
    """Return a text that has more tokens than the model accepts (a token never holds more than a whole text)."""
    joined = " ".join(texts)
    return " ".join([joined] * (2 + model.limits.max_tokens // len(texts)))
