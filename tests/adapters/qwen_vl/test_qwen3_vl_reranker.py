"""Qwen3-VL-Reranker: prompts, tokens and scores equal those of its own code, in every way of asking for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from cenote import LLM
from cenote.adapters.qwen_vl.pairs import PairWriter, Side
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote.inputs import ChatPairTemplate
from cenote.inputs.chat import ChatRenderer
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.pictures import sample_picture
from cenote.types import ChatOptions, TextPairPrompt

GOLDENS = json.loads((Path(__file__).parents[1] / "goldens" / "qwen3_vl.json").read_text())
NAMES = ("Qwen3-VL-Reranker-2B", "Qwen3-VL-Reranker-8B")
CASES = [(name, row) for name in NAMES for row in GOLDENS[name]]
PLACE = "<|vision_start|><|image_pad|><|vision_end|>"
#: What vLLM needs to be told.
OVERRIDES = {
    "architectures": ["Qwen3VLForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
#: The structure of vLLM's template for these models, with another word in front.
TEMPLATE = (
    "{%- set task = instruction or (messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first)"
    " | default('Judge.', true) -%}"
    "{%- set query = messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first -%}"
    "{%- set document = messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first -%}"
    "{{- 'Task: ' + task + '\nQ: ' + query + '\nD: ' + document + '<|im_end|>' -}}"
)
WELL = "How deep is the well?"
ANSWER = "It is twelve metres deep."
TOLERANCE = 1e-5

Folders = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("qwen3_vl")
    built: dict[str, Path] = {}
    return lambda name: built.setdefault(name, build_checkpoint(GOLDENS["models"][name], root / name))


@pytest.fixture(scope="module")
def models(folder_of: Folders) -> Callable[[str], LLM]:
    known: dict[str, LLM] = {}

    def model(name: str) -> LLM:
        if name not in known:
            known[name] = LLM(str(folder_of(name)))
        return known[name]

    return model


@pytest.fixture(scope="module")
def llm(models: Callable[[str], LLM]) -> LLM:
    return models(NAMES[0])


@pytest.fixture(scope="module")
def ids_of(folder_of: Folders) -> Callable[[str], list[int]]:
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder_of(NAMES[0]))
    return lambda text: list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _picture(name: str) -> Any:
    width, height, mode, seed = GOLDENS["pictures"][name]
    return sample_picture(width, height, mode, seed)


def _side(given: dict[str, Any]) -> Any:
    if "images" not in given:
        return given["text"]
    parts = [{"type": "image_pil", "image_pil": _picture(name)} for name in given["images"]]
    return {"content": [*parts, *([{"type": "text", "text": given["text"]}] if "text" in given else [])]}


def _score(model: LLM, row: dict[str, Any], **options: Any) -> Any:
    given = {"instruction": row["instruction"]} if "instruction" in row else {}
    (found,) = model.score(_side(row["query"]), _side(row["document"]), use_tqdm=False, **given, **options)
    return found


@pytest.mark.parametrize(("name", "row"), CASES, ids=range(len(CASES)))
def test_tokens_and_scores_are_those_of_its_own_code(
    name: str, row: dict[str, Any], models: Callable[[str], LLM]
) -> None:
    found = _score(models(name), row)
    assert list(found.prompt_token_ids) == row["ids"]
    assert_close(found.outputs.score, row["score"], tolerance=TOLERANCE, name="score")


def test_pairs_in_one_batch_get_what_each_gets_alone(llm: LLM) -> None:
    rows = [row for row in GOLDENS[NAMES[0]] if "instruction" not in row]
    for order in (1, -1):
        given = rows[::order]
        found = llm.score([_side(r["query"]) for r in given], [_side(r["document"]) for r in given], use_tqdm=False)
        expected = [row["score"] for row in given]
        assert_close([result.outputs.score for result in found], expected, tolerance=TOLERANCE, name="a batch")


def test_documents_are_ranked_whatever_they_are(llm: LLM) -> None:
    rows = [row for row in GOLDENS[NAMES[0]] if row["query"] == {"text": WELL} and "instruction" not in row]
    ranked = llm.rerank(WELL, [_side(row["document"]) for row in rows], use_tqdm=False)
    assert [entry.index for entry in ranked] == sorted(range(len(rows)), key=lambda at: -rows[at]["score"])


def test_what_vllm_is_told_loads_it_under_any_name(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_reranker", tmp_path / "mine")
    for overrides in (OVERRIDES, {key: OVERRIDES[key] for key in list(OVERRIDES)[1:]}):
        with LLM(str(folder), hf_overrides=overrides) as model:
            found = _score(model, GOLDENS[NAMES[0]][3])
            assert_close(found.outputs.score, GOLDENS[NAMES[0]][3]["score"], tolerance=TOLERANCE, name="score")


def test_words_of_the_user_judge(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_reranker", tmp_path / "mine")
    words = {"classifier_from_token": ["Yes", "No", "0"], "method": "no_post_processing"}
    with LLM(str(folder), hf_overrides=words) as model:
        (found,) = model.classify([TextPairPrompt(text=WELL, text_pair=ANSWER)], use_tqdm=False)
        assert len(found.outputs.probs) == 3
        assert abs(sum(found.outputs.probs) - 1) < 1e-5


def test_instructions_of_every_spelling_are_read(llm: LLM) -> None:
    (row,) = (row for row in GOLDENS[NAMES[0]] if "instruction" in row and "text" in row["document"])
    query, document = row["query"]["text"], row["document"]["text"]
    pair = TextPairPrompt(text=query, text_pair=document)
    task = row["instruction"]
    chats = (ChatOptions(instruction=task), ChatOptions(kwargs={"instruction": task}))
    for chat in (*chats, ChatOptions(kwargs={"instruct": task})):
        (found,) = llm.classify([pair], chat=chat, use_tqdm=False)
        assert list(found.prompt_token_ids) == row["ids"]
    (found,) = llm.classify([pair], prompt=task, use_tqdm=False)
    assert list(found.prompt_token_ids) == row["ids"]


def test_a_template_of_the_user_is_filled_with_placeholders(
    llm: LLM, folder_of: Folders, ids_of: Callable[[str], list[int]]
) -> None:
    page = sample_picture(64, 64)
    shown = PLACE.replace("<|image_pad|>", "<|image_pad|>" * 4)
    wanted = ids_of(f"Task: Judge.\nQ: {WELL}\nD: {shown}{ANSWER}<|im_end|>")
    document = {"image": page, "text": ANSWER}
    (found,) = llm.score(WELL, document, chat_template=TEMPLATE, use_tqdm=False)
    assert list(found.prompt_token_ids) == wanted
    with LLM(str(folder_of(NAMES[0])), chat_template=TEMPLATE, compat="vllm") as model:
        (theirs,) = model.score(WELL, document, use_tqdm=False)
        assert list(theirs.prompt_token_ids) == wanted
        (asked,) = model.score(WELL, document, instruction="Find wells", use_tqdm=False)
        assert list(asked.prompt_token_ids)[: len(ids_of("Task: Find wells"))] == ids_of("Task: Find wells")


def test_as_vllm_without_a_template_both_texts_follow_each_other(
    folder_of: Folders, ids_of: Callable[[str], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), LLM(str(folder_of(NAMES[0])), compat="vllm") as model:
        assert "--chat-template" in caplog.text
        (found,) = model.score(WELL, ANSWER, use_tqdm=False)
        assert list(found.prompt_token_ids) == ids_of(WELL + ANSWER)
        with pytest.raises(InvalidRequest, match="instruction"):
            model.score(WELL, ANSWER, instruction="Judge", use_tqdm=False)


@pytest.mark.parametrize("keep", [175, 180])
def test_only_the_document_is_cut_and_the_last_five_tokens_stay(
    keep: int, llm: LLM, ids_of: Callable[[str], list[int]]
) -> None:
    document = {"image": sample_picture(64, 64), "text": "water " * 40}
    (whole,) = llm.score(WELL, document, use_tqdm=False)
    options = {"truncate_prompt_tokens": keep}
    (cut,) = llm.score(WELL, document, tokenization_kwargs=options, use_tqdm=False)
    end = ids_of("<|im_end|>\n<|im_start|>assistant\n")
    assert list(cut.prompt_token_ids) == [*whole.prompt_token_ids[: keep - len(end)], *end]
    with pytest.raises(InvalidRequest, match="no room"):
        llm.score(WELL, document, tokenization_kwargs={"truncate_prompt_tokens": 100}, use_tqdm=False)
    with pytest.raises(InvalidRequest, match="end of the document only"):
        llm.score(WELL, ANSWER, tokenization_kwargs={**options, "truncation_side": "left"}, use_tqdm=False)


@pytest.mark.parametrize(
    "document", ["assistant", "ssistant", "a", "D: ", "deep", "Judge.", "0", "How deep is the well?"]
)
def test_a_chat_template_keeps_all_but_the_document_wherever_that_is_found_again(
    document: str, folder_of: Folders
) -> None:
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder_of(NAMES[0]))
    writer = PairWriter(ChatRenderer(tokenizer, {"image": PLACE}))
    first = "Q: {{ messages[0].content }}\nD: {{ messages[1].content }}<|im_end|>\n<|im_start|>assistant"
    second = "D: {{ messages[1].content }}\nQ: {{ messages[0].content }} assistant"
    for template, before, after in (
        (first, f"Q: {WELL}\nD: ", "<|im_end|>\n<|im_start|>assistant"),
        (second, "D: ", f"\nQ: {WELL} assistant"),
    ):
        given = ChatPairTemplate(template=template)
        found = writer.write(Side(WELL), Side(document), given, ChatOptions(), None)
        assert (found.before, found.text, found.after) == (before, document, after)


def test_a_document_that_a_chat_template_changes_is_not_cut(folder_of: Folders) -> None:
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder_of(NAMES[0]))
    writer = PairWriter(ChatRenderer(tokenizer, {"image": PLACE}))
    given = ChatPairTemplate(template="{{ messages[0].content }}|{{ messages[1].content | upper }}")
    found = writer.write(Side("a Water"), Side("a Water"), given, ChatOptions(), None)
    assert (found.before, found.text, found.after) == ("a Water|A WATER", "", "")


def test_limits_of_each_side_hold(llm: LLM) -> None:
    counts = {}
    for most in (3, 5):
        limits = {"max_tokens_per_doc": most}
        (found,) = llm.score(WELL, ANSWER * 9, tokenization_kwargs=limits, use_tqdm=False)
        counts[most] = len(found.prompt_token_ids)
    assert counts[5] - counts[3] == 2


@pytest.mark.parametrize(
    ("query", "document", "message"),
    [
        (WELL, "water <|image_pad|>", "image"),
        ("<|video_pad|>", ANSWER, "video"),
        (WELL, {"multi_modal_data": {"video": [_picture("wide")] * 4}}, "reads text and image only"),
    ],
)
def test_what_it_cannot_read_is_refused(query: Any, document: Any, message: str, llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match=message):
        llm.score(query, document, use_tqdm=False)


def test_a_longer_pair_is_refused(llm: LLM) -> None:
    with pytest.raises(PromptTooLong):
        llm.score(WELL, "water " * 9000, use_tqdm=False)


def _changed(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})
    return folder


def test_an_output_layer_that_is_not_there_is_no_zero(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_reranker_untied", tmp_path / NAMES[1])
    with pytest.raises(CheckpointError, match=r"stores no lm_head\.weight"):
        LLM(str(_changed(folder, lambda tensors: tensors.__delitem__("lm_head.weight"))))


def test_an_output_layer_beside_a_tied_table_must_be_the_same(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_reranker", tmp_path / NAMES[0])
    table = "model.language_model.embed_tokens.weight"
    _changed(folder, lambda tensors: tensors.update({"lm_head.weight": tensors[table].clone()}))
    with LLM(str(folder)) as model:
        found = _score(model, GOLDENS[NAMES[0]][0])
        assert_close(found.outputs.score, GOLDENS[NAMES[0]][0]["score"], tolerance=TOLERANCE, name="score")
    _changed(folder, lambda tensors: tensors.update({"lm_head.weight": tensors[table] * 2}))
    with pytest.raises(CheckpointError, match="differs from the embedding table"):
        LLM(str(folder))


def test_words_that_are_no_single_tokens_are_refused(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_embedding", tmp_path / NAMES[0])
    with pytest.raises(InvalidRequest, match="not one entry"):
        LLM(str(folder))


def test_a_published_file_of_words_is_read(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3_vl_reranker", tmp_path / "mine")
    vocabulary = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab()
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_LogitScore",
            "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore",
        },
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_LogitScore").mkdir()
    words = {"true_token_id": vocabulary["yes"], "false_token_id": vocabulary["no"]}
    (folder / "1_LogitScore" / "config.json").write_text(json.dumps(words))
    named = folder.rename(tmp_path / NAMES[0])
    with LLM(str(named)) as model:
        assert "LogitScore" in model.report()["head"]
        found = _score(model, GOLDENS[NAMES[0]][0])
        assert_close(found.outputs.score, GOLDENS[NAMES[0]][0]["score"], tolerance=TOLERANCE, name="score")


def test_it_embeds_where_that_is_asked_for(folder_of: Folders) -> None:
    with LLM(str(folder_of(NAMES[0])), convert="embed") as model:
        (found,) = model.embed([WELL], use_tqdm=False)
        assert len(found.outputs.embedding) == 64


def test_a_report_says_how_it_judges(llm: LLM) -> None:
    report = llm.report()
    assert "logit of the second minus the first" in report["head"]
    assert "known template qwen3-vl-reranker" in report["pairs"]
    assert report["image tokens"] == "1280 (Qwen3-VL-Reranker)"
