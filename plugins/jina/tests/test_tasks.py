"""Tasks per request: any mix in a batch equals the merged weights of each, run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from cenote import LLM, PoolingParams
from cenote.adapters.packing import pack
from cenote.errors import InvalidRequest, ModelNotFound
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.loras import build_lora, merge_lora
from cenote.testing.texts import sample_texts

TOLERANCE = 2e-5
CUT = {"truncate_prompt_tokens": -1}


@pytest.fixture(scope="module")
def llm(jina: Path) -> Iterator[LLM]:
    with LLM(str(jina)) as model:
        yield model


def embed(llm: LLM, texts: Any, role: Any = None, **params: Any) -> list[Any]:
    outputs = llm.encode(
        texts, PoolingParams(**params), pooling_task="embed", use_tqdm=False, tokenization_kwargs=CUT, role=role
    )
    return [output.outputs.data for output in outputs]


@pytest.mark.parametrize("execution", ["packed", "padded"])
def test_all_six_variants_in_one_call_equal_the_merged_weights(
    execution: str, jina: Path, expected: Any, tasks: Sequence[str | None]
) -> None:
    wanted = [*tasks, *tasks[::-1]]
    texts = sample_texts()[: len(wanted)]
    with LLM(str(jina), execution=execution) as model:
        for pooling_task, compute, activation in (
            ("embed", expected.embed, True),
            ("token_embed", expected.tokens, False),
        ):
            params = [PoolingParams(lora=task, use_activation=activation) for task in wanted]
            outputs = model.encode(texts, params, pooling_task=pooling_task, use_tqdm=False, tokenization_kwargs=CUT)
            for output, text, task in zip(outputs, texts, wanted, strict=True):
                assert_close(output.outputs.data, compute(text, task), tolerance=TOLERANCE, name=f"{task}")


def test_all_six_variants_in_one_forward_equal_the_merged_weights(
    llm: LLM, expected: Any, tasks: Sequence[str | None]
) -> None:
    ids = [tuple(expected.ids(text)[0].tolist()) for text in sample_texts()[: len(tasks)]]
    with torch.inference_mode():
        hidden = llm._loaded.model.forward(pack(ids, loras=list(tasks)))
        for rows, row_ids, task in zip(hidden.split([len(row) for row in ids]), ids, tasks, strict=True):
            alone = expected.model(task)(input_ids=torch.tensor([row_ids])).last_hidden_state[0]
            assert_close(rows, alone, tolerance=TOLERANCE, name=f"{task}")


def test_tasks_differ(llm: LLM, tasks: Sequence[str | None]) -> None:
    vectors = torch.stack([embed(llm, [[5, 6, 7, 8]], lora=task)[0] for task in tasks])
    assert float((vectors @ vectors.T - 2 * torch.eye(len(tasks))).max()) < 0.999


def test_a_role_asks_for_the_retrieval_task(llm: LLM, expected: Any) -> None:
    text = "what is a cenote"
    for role, task in (("query", "retrieval.query"), ("document", "retrieval.passage")):
        (found,) = embed(llm, text, role=role)
        assert_close(found, expected.embed(text, task), tolerance=TOLERANCE)
    (found,) = embed(llm, text, role="query", lora="separation")
    assert_close(found, expected.embed(text, "separation"), tolerance=TOLERANCE)


def test_a_prompt_that_the_request_brings_takes_the_place_of_the_instruction(llm: LLM, expected: Any) -> None:
    model = expected.model("retrieval.query")
    instruction = expected.config["task_instructions"]["retrieval.passage"]
    for prompt in ({"prompt": "my own: "}, {"prompt": ""}, {"prompt_name": "retrieval.passage"}):
        (found,) = embed(llm, "some text", lora="retrieval.query", **prompt)
        ids = expected.ids(prompt.get("prompt", instruction) + "some text")
        with torch.inference_mode():
            pooled = model(input_ids=ids).last_hidden_state[0].mean(dim=0)
        assert_close(found, torch.nn.functional.normalize(pooled, dim=-1), tolerance=TOLERANCE)


def test_a_stored_prompt_alone_chooses_no_adapter(llm: LLM, expected: Any) -> None:
    instruction = expected.config["task_instructions"]["retrieval.query"]
    (found,) = embed(llm, "some text", prompt_name="retrieval.query")
    assert_close(found, expected.embed(instruction + "some text"), tolerance=TOLERANCE)


def test_token_prompts_get_the_adapter_and_no_instruction(llm: LLM, expected: Any) -> None:
    ids = expected.ids("some text")
    (found,) = embed(llm, [ids[0].tolist()], lora="retrieval.query")
    with torch.inference_mode():
        pooled = expected.model("retrieval.query")(input_ids=ids).last_hidden_state[0].mean(dim=0)
    assert_close(found, torch.nn.functional.normalize(pooled, dim=-1), tolerance=TOLERANCE)


def test_texts_are_stripped(llm: LLM, expected: Any) -> None:
    for task in (None, "retrieval.query"):
        (found,) = embed(llm, " \n\tsome text \n", lora=task)
        assert_close(found, expected.embed("some text", task), tolerance=TOLERANCE)


def test_only_the_sizes_of_the_file_are_given(llm: LLM, expected: Any) -> None:
    (found,) = embed(llm, "some text", lora="text-matching", dimensions=16)
    assert_close(found, expected.embed("some text", "text-matching", 16), tolerance=TOLERANCE)
    with pytest.raises(InvalidRequest, match="8, 16, 24, 32"):
        embed(llm, "some text", dimensions=12)


def test_an_unknown_task_is_refused_with_those_that_exist(llm: LLM) -> None:
    with pytest.raises(ModelNotFound, match=r"'retrieval'.*retrieval\.query, retrieval\.passage, separation"):
        embed(llm, "some text", lora="retrieval")


def test_as_vllm_runs_it_there_is_one_task_and_no_choice(jina: Path, expected: Any) -> None:
    with LLM(str(jina), compat="vllm") as model:
        ids = expected.ids("some text")
        with torch.inference_mode():
            pooled = expected.model("text-matching")(input_ids=ids).last_hidden_state[0].mean(dim=0)
        wanted = torch.nn.functional.normalize(pooled, dim=-1)
        for role in (None, "query"):
            assert_close(embed(model, "some text", role=role)[0], wanted, tolerance=TOLERANCE)
        with pytest.raises(ModelNotFound, match="separation"):
            embed(model, "some text", lora="separation")


def test_a_sixth_adapter_in_peft_s_format_joins_the_tasks(jina: Path, expected: Any, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    expected.model(None).save_pretrained(plain)
    settings: dict[str, Any] = {"r": 2, "lora_alpha": 6, "model_class": "JinaEmbeddingsV3Model"}
    folder = build_lora(plain, tmp_path / "mine", targets=["q_proj", "fc1", "word_embeddings"], **settings)
    with LLM(str(jina), lora_modules=[f"mine={folder}"]) as model:
        mine, task = (embed(model, "some text", lora=name)[0] for name in ("mine", "separation"))
    with torch.inference_mode():
        merged = merge_lora(plain, folder, "JinaEmbeddingsV3Model")
        pooled = merged(input_ids=expected.ids("some text")).last_hidden_state[0].mean(dim=0)
    assert_close(mine, torch.nn.functional.normalize(pooled, dim=-1), tolerance=TOLERANCE)
    assert_close(task, expected.embed("some text", "separation"), tolerance=TOLERANCE)


@pytest.mark.parametrize("overridden", [False, True], ids=["in-the-file", "hf_overrides"])
def test_the_rotary_base_is_the_config_s(overridden: bool, tmp_path: Path, reference_of: Callable[..., Any]) -> None:
    changes = {"rotary_emb_base": 500.0}
    folder = build_checkpoint("jina_embeddings_v3", tmp_path, config={} if overridden else changes)
    with LLM(str(folder), hf_overrides=changes if overridden else {}) as model:
        text = max(sample_texts(), key=len)[:300]
        (found,) = embed(model, text, lora="classification")
    wanted, published = (reference_of(folder, base=base).embed(text, "classification") for base in (500.0, 20000.0))
    assert_close(found, wanted, tolerance=TOLERANCE)
    assert float((wanted - published).abs().max()) > 100 * TOLERANCE
