"""Qwen3-VL-Embedding: prompts, tokens and vectors equal those of its own code, and what it must not do."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from cenote import LLM, PoolingParams
from cenote.adapters.qwen_vl import ImageRules
from cenote.adapters.qwen_vl.instructions import punctuated
from cenote.adapters.qwen_vl.published import EMBEDDING, RERANKER, PublishedModel, image_sizes
from cenote.checkpoints import open_checkpoint
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong, UnsupportedTask
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.pictures import sample_picture

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "qwen3_vl.json").read_text())
NAME = "Qwen3-VL-Embedding-2B"
ROWS: list[dict[str, Any]] = GOLDENS[NAME]
PLACE = "<|vision_start|><|image_pad|><|vision_end|>"
TOLERANCE = 1e-5
PAGE = sample_picture(96, 64)

Embed = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("qwen3_vl_embedding", tmp_path_factory.mktemp("qwen3_vl") / NAME)


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(str(folder))


@pytest.fixture(scope="module")
def plain(folder: Path) -> LLM:
    return LLM(str(folder), compat="vllm")


def _picture(name: str) -> Any:
    width, height, mode, seed = GOLDENS["pictures"][name]
    return sample_picture(width, height, mode, seed)


def _prompt(row: dict[str, Any]) -> Any:
    images = [_picture(name) for name in row.get("images", ())]
    if not images:
        return row["text"]
    text = {"prompt": row["text"]} if "text" in row else {}
    return {"multi_modal_data": {"image": images}, **text}


def _image(image: Any = PAGE, **more: Any) -> dict[str, Any]:
    return {"multi_modal_data": {"image": image}, **more}


def _run(model: LLM, given: Any, **options: Any) -> Any:
    (found,) = model.embed([given], use_tqdm=False, **options)
    return found


def _ids(folder: Path, text: str) -> list[int]:
    return list(PreTrainedTokenizerFast.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_tokens_and_vectors_are_those_of_its_own_code(row: dict[str, Any], llm: LLM) -> None:
    options = {"prompt": row["instruction"]} if "instruction" in row else {}
    found = _run(llm, _prompt(row), **options)
    assert list(found.prompt_token_ids) == row["ids"]
    assert_close(found.outputs.embedding, row["vector"], tolerance=TOLERANCE, name="vector")


def test_prompts_in_one_batch_get_what_each_gets_alone(llm: LLM) -> None:
    rows = [row for row in ROWS if "instruction" not in row]
    for order in (1, -1):
        found = llm.embed([_prompt(row) for row in rows[::order]], use_tqdm=False)[::order]
        assert_all_close(
            [result.outputs.embedding for result in found],
            [row["vector"] for row in rows],
            tolerance=TOLERANCE,
            name="a batch",
        )


def test_an_instruction_says_the_same_for_queries_and_documents(llm: LLM) -> None:
    by_role = [_run(llm, "water", role=role).prompt_token_ids for role in ("query", "document", None)]
    assert by_role[0] == by_role[1] == by_role[2]


def test_a_stored_prompt_is_an_instruction(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_embedding", tmp_path / NAME, sentence_transformers=False)
    prompts = {"prompts": {"query": "Find wells", "document": "Represent the page."}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with LLM(str(folder)) as model:
        found = _run(model, "water", role="query")
        assert list(found.prompt_token_ids) == _ids(
            folder,
            "<|im_start|>system\nFind wells.<|im_end|>\n<|im_start|>user\nwater<|im_end|>\n<|im_start|>assistant\n",
        )
        assert _run(model, "water", prompt_name="query").prompt_token_ids == found.prompt_token_ids


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Find wells", "Find wells."),
        ("Find wells!", "Find wells!"),
        ("  Find wells \n", "Find wells."),
        ("寻找水井。", "寻找水井。"),
        ("x =", "x =."),
        (" ", "Represent the user's input."),
    ],
)
def test_an_instruction_ends_with_punctuation(given: str, wanted: str) -> None:
    assert punctuated(given) == wanted


def test_vectors_may_be_cut_to_any_size(llm: LLM, plain: LLM, folder: Path) -> None:
    whole = torch.tensor(ROWS[0]["vector"])
    found = _run(llm, _prompt(ROWS[0]), pooling_params=PoolingParams(dimensions=10))
    cut = torch.nn.functional.normalize(whole[:10], dim=0)
    assert_close(found.outputs.embedding, cut.tolist(), tolerance=TOLERANCE, name="a cut vector")
    with pytest.raises(InvalidRequest, match=r"(?i)matryoshka"):
        _run(plain, "water", pooling_params=PoolingParams(dimensions=10))
    with LLM(str(folder), compat="vllm", hf_overrides={"is_matryoshka": True}) as model:
        assert len(_run(model, "water", pooling_params=PoolingParams(dimensions=10)).outputs.embedding) == 10


@pytest.mark.parametrize(("kind", "model"), [("embedding", EMBEDDING), ("reranker", RERANKER)])
def test_images_have_as_many_tokens_as_in_its_own_code(kind: str, model: PublishedModel, folder: Path) -> None:
    rules = ImageRules.of(open_checkpoint(str(folder)), image_sizes({}, model))
    for width, height, count in GOLDENS["counts"][kind]:
        rows, columns = rules.fit(width, height)
        assert rows * columns == count


def test_what_a_user_says_of_sizes_goes_before(folder: Path) -> None:
    checkpoint = open_checkpoint(str(folder))
    for given, wanted in (
        ({"max_pixels": 65536}, (4096, 65536)),
        ({"size": {"longest_edge": 131072}}, (4096, 131072)),
        ({"max_num_visual_tokens": 8}, (4096, 8192)),
    ):
        rules = ImageRules.of(checkpoint, image_sizes(given, EMBEDDING))
        assert (rules.min_pixels, rules.max_pixels) == wanted


def test_a_message_is_content_and_several_go_through_the_chat_template(llm: LLM, folder: Path) -> None:
    part = {"type": "image_pil", "image_pil": _picture("wide")}
    text = {"type": "text", "text": "A page about water."}
    (row,) = (row for row in ROWS if row.get("images") == ["wide"] and "text" in row and "instruction" not in row)
    found = _run(llm, {"messages": [{"role": "user", "content": [part, text]}]})
    assert list(found.prompt_token_ids) == row["ids"]
    talk = [{"role": "user", "content": "water"}, {"role": "user", "content": "rain"}]
    as_is = _run(llm, {"messages": talk})
    written = "<|im_start|>user\nwater<|im_end|>\n<|im_start|>user\nrain<|im_end|>\n"
    assert list(as_is.prompt_token_ids) == _ids(folder, written)


def test_a_system_message_in_front_of_one_message_is_its_instruction(llm: LLM) -> None:
    content = [{"type": "text", "text": "water"}]
    talk = [{"role": "system", "content": "Find wells"}, {"role": "user", "content": content}]
    found, wanted = _run(llm, {"messages": talk}), _run(llm, "water", prompt="Find wells")
    assert found.prompt_token_ids == wanted.prompt_token_ids
    default = _run(llm, {"messages": [{"role": "system", "content": ""}, talk[1]]})
    assert default.prompt_token_ids == _run(llm, "water").prompt_token_ids


def test_as_vllm_texts_are_read_as_they_are_with_images_in_front(plain: LLM, folder: Path) -> None:
    assert list(_run(plain, "water").prompt_token_ids) == _ids(folder, "water")
    count = 6  # 96 x 64 pixels
    written = PLACE.replace("<|image_pad|>", "<|image_pad|>" * count)
    assert list(_run(plain, _image(prompt="water")).prompt_token_ids) == _ids(folder, written + "water")
    own = _run(plain, _image(prompt=f"{PLACE}\nwater"))
    assert list(own.prompt_token_ids) == _ids(folder, f"{written}\nwater")


def test_a_language_model_of_another_name_is_read_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    other = build_checkpoint("qwen3_vl_embedding", tmp_path / "Qwen3-VL-2B-Instruct")
    with caplog.at_level(logging.WARNING), LLM(str(other)) as model:
        assert "its vectors may mean little" in caplog.text
        assert list(_run(model, "water").prompt_token_ids) == _ids(folder, "water")
        assert len(_run(model, _image()).outputs.embedding) == 64


def test_a_fine_tuned_model_of_another_name_is_known_by_its_config(tmp_path: Path) -> None:
    folder = build_checkpoint(
        "qwen3_vl_embedding", tmp_path / "mine", config={"_name_or_path": "Qwen/Qwen3-VL-Embedding-2B"}
    )
    with LLM(str(folder)) as model:
        assert list(_run(model, ROWS[0]["text"]).prompt_token_ids) == ROWS[0]["ids"]


@pytest.mark.parametrize("keep", [60, 75])
def test_only_the_text_is_cut(llm: LLM, folder: Path, keep: int) -> None:
    whole = list(_run(llm, _image(prompt="water " * 50)).prompt_token_ids)
    cut = list(
        _run(llm, _image(prompt="water " * 50), tokenization_kwargs={"truncate_prompt_tokens": keep}).prompt_token_ids
    )
    end = _ids(folder, "<|im_end|>\n<|im_start|>assistant\n")
    assert len(cut) == keep
    assert cut[-len(end) :] == end
    assert cut[: -len(end)] == whole[: keep - len(end)]


def test_a_longer_prompt_is_refused(llm: LLM) -> None:
    with pytest.raises(PromptTooLong):
        _run(llm, "water " * 9000)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("water <|image_pad|>", "image"),
        (_image(prompt=f"{PLACE}{PLACE} water"), "placeholders for 2 images"),
        ({"multi_modal_data": {"video": [PAGE, PAGE]}}, "reads text and image only"),
        ({"text": "water", "text_pair": "rain"}, "one text at a time"),
    ],
)
def test_what_it_cannot_read_is_refused(prompt: Any, message: str, llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match=message):
        _run(llm, prompt)


@pytest.mark.parametrize(
    "given",
    [
        {"prompt_token_ids": [5, 6]},
        {"messages": [{"role": "system", "content": "Find."}, {"role": "user", "content": "water"}]},
    ],
)
def test_an_instruction_without_a_place_is_refused(given: Any, llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="not of token ids or of a conversation"):
        _run(llm, given, prompt="Find wells")


def test_it_does_not_score_as_a_reranker(llm: LLM) -> None:
    with pytest.raises(UnsupportedTask):
        llm.classify(["water"], use_tqdm=False)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_embedding", tmp_path / NAME, config={"model_type": "qwen2_5_vl"})
    with pytest.raises(CheckpointError, match="runs 'qwen3_vl' only"):
        LLM(str(folder))


def test_a_report_says_who_decided_prompts_and_sizes(llm: LLM, plain: LLM) -> None:
    own, theirs = llm.report(), plain.report()
    assert "Represent the user's input." in own["layout"]
    assert own["image tokens"].endswith("(Qwen3-VL-Embedding)")
    assert own["image tokens"].startswith("1800")
    assert theirs["image tokens"].startswith("16384")
