"""The reranker: what it writes of a pair, what it computes of that, and what it refuses."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cenote import LLM, PoolingParams
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote.testing.compare import assert_close
from cenote.testing.pictures import sample_picture
from cenote.types import MessagesPrompt

_FAMILY = "llama_nemotron_vl_rerank"
#: Of the look-alike.
_TEMPERATURE, _PER_TILE = 2.5, 4
_QUERY = "What fills a cenote?"
_TILES = "<img>" + "<IMG_CONTEXT>" * 12 + "</img>"
#: Scores are float32 of one dot product; hidden states of two ways to run them differ a little.
_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Path]) -> Path:
    return folder_of(_FAMILY)


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[LLM]:
    with LLM(str(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def page() -> Image.Image:
    """An image of two tiles and a small picture of the whole."""
    return sample_picture(150, 90)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nemotron_reference", Path(__file__).with_name("reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _scores(model: LLM, query: Any, documents: Any, **options: Any) -> list[float]:
    return [output.outputs.score for output in model.score(query, documents, use_tqdm=False, **options)]


def _ids(model: LLM, query: Any, documents: Any, **options: Any) -> list[list[int]]:
    return [list(output.prompt_token_ids) for output in model.score(query, documents, use_tqdm=False, **options)]


def _written(model: LLM, text: str) -> list[int]:
    return list(model.get_tokenizer()(text)["input_ids"])


def test_pairs_are_written_as_the_models_own_code_does(model: LLM, page: Image.Image) -> None:
    documents = ["Ground water.", {"image": page}, {"image": page, "text": "Figure 2"}, "", "an <image> in words"]
    texts = [
        f"question:{_QUERY} \n \n passage:Ground water.",
        f"{_TILES} question:{_QUERY} \n \n passage:",
        f"{_TILES} question:{_QUERY} \n \n passage:Figure 2",
        f"question:{_QUERY} \n \n passage:",
        f"question:{_QUERY} \n \n passage:an  in words",
    ]
    assert _ids(model, _QUERY, documents) == [_written(model, text) for text in texts]
    assert _written(model, texts[0])[0] == model.get_tokenizer().bos_token_id


def test_with_another_prompt_template_texts_stand_bare(edited: Callable[..., Path], page: Image.Image) -> None:
    with LLM(str(edited(_FAMILY, {"config.json": {"prompt_template": "v0"}}))) as other:
        texts = [f"{_QUERY} \n Water.", f"{_TILES} {_QUERY} \n Water."]
        found = _ids(other, _QUERY, ["Water.", {"image": page, "text": "Water."}])
        assert found == [_written(other, text) for text in texts]


def test_a_score_is_the_logit_of_the_mean_divided_by_the_temperature(
    model: LLM, folder: Path, edited: Callable[..., Path], page: Image.Image, reference: ModuleType
) -> None:
    outputs = model.score(_QUERY, ["Ground water.", {"image": page}], use_tqdm=False)
    language = reference.language_model(folder, "model.language_model.")
    weight = load_file(folder / "model.safetensors")["score.weight"].float()
    bare = edited(_FAMILY, rename=lambda name: name.removeprefix("model."))
    rows = reference.vision_rows(bare, reference.tile_by_crops(page, 2, 1, 64, thumbnail=True))
    context = model.get_tokenizer().convert_tokens_to_ids("<IMG_CONTEXT>")
    seen = (None, rows)
    for output, given in zip(outputs, seen, strict=True):
        hidden = reference.hidden_states(language, output.prompt_token_ids, given, context)
        logit = (hidden.mean(dim=0) @ weight[0]) / _TEMPERATURE
        assert_close([output.outputs.score], [float(logit)], tolerance=_TOLERANCE)


def test_a_sigmoid_is_applied_where_a_request_or_the_user_asks(model: LLM, folder: Path) -> None:
    (logit,) = _scores(model, _QUERY, "Water.")
    expected = 1 / (1 + math.exp(-logit))
    assert_close(
        _scores(model, _QUERY, "Water.", pooling_params=PoolingParams(use_activation=True)), [expected], tolerance=1e-6
    )
    with LLM(str(folder), pooler_config={"use_activation": True}) as other:
        assert_close(_scores(other, _QUERY, "Water."), [expected], tolerance=1e-6)


def test_with_vllms_meaning_a_score_is_the_sigmoid_of_the_logit_without_temperature(
    model: LLM, folder: Path, page: Image.Image
) -> None:
    documents = ["Water.", {"image": page}]
    logits = [score * _TEMPERATURE for score in _scores(model, _QUERY, documents)]
    with LLM(str(folder), compat="vllm", mm_processor_kwargs={"max_dynamic_patch": 2}) as other:
        assert _ids(other, _QUERY, documents) == _ids(model, _QUERY, documents)
        expected = torch.sigmoid(torch.tensor(logits)).tolist()
        assert_close(_scores(other, _QUERY, documents), expected, tolerance=1e-5)
        assert_close(
            _scores(other, _QUERY, documents, pooling_params=PoolingParams(use_activation=False)),
            logits,
            tolerance=1e-5,
        )


def test_an_activation_that_a_file_names_is_applied(edited: Callable[..., Path], model: LLM) -> None:
    stored = {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}}
    with LLM(str(edited(_FAMILY, {"config.json": stored}))) as other:
        expected = [math.tanh(score) for score in _scores(model, _QUERY, "Water.")]
        assert_close(_scores(other, _QUERY, "Water."), expected, tolerance=1e-6)


def test_pairs_together_score_as_alone(model: LLM, page: Image.Image) -> None:
    documents = ["Ground water.", {"image": page}, {"image": page.rotate(90, expand=True), "text": "Turned"}, "a"]
    together = _scores(model, _QUERY, documents)
    alone = [_scores(model, _QUERY, [document])[0] for document in documents]
    assert_close(together, alone, tolerance=1e-5)


def test_documents_are_ranked_by_their_scores(model: LLM, page: Image.Image) -> None:
    documents: list[Any] = ["Ground water.", {"image": page}, {"image": page, "text": "Figure 2"}]
    scores = _scores(model, _QUERY, documents)
    ranked = model.rerank(_QUERY, documents)
    assert [row.index for row in ranked] == sorted(range(3), key=lambda place: -scores[place])


def test_a_conversation_of_a_query_and_a_document_is_a_pair(model: LLM, page: Image.Image) -> None:
    content: list[Any] = [{"type": "text", "text": "Figure 2"}, {"type": "image_pil", "image_pil": page}]
    talk: MessagesPrompt = {
        "messages": [{"role": "query", "content": _QUERY}, {"role": "document", "content": content}]
    }
    (output,) = model.classify([talk], use_tqdm=False)
    (pair,) = model.score(_QUERY, {"image": page, "text": "Figure 2"}, use_tqdm=False)
    assert output.prompt_token_ids == pair.prompt_token_ids
    assert_close(output.outputs.probs, [pair.outputs.score], tolerance=1e-6)


def test_images_that_the_model_has_no_place_for_are_refused(model: LLM, page: Image.Image) -> None:
    with pytest.raises(InvalidRequest, match="documents only"):
        model.score({"image": page}, "Water.", use_tqdm=False)
    two = {"content": [{"type": "image_pil", "image_pil": page}] * 2}
    with pytest.raises(InvalidRequest, match="one image per document"):
        model.score(_QUERY, two, use_tqdm=False)
    with pytest.raises(InvalidRequest, match="IMG_CONTEXT"):
        model.score(_QUERY, "a <IMG_CONTEXT>", use_tqdm=False)


def test_an_instruction_needs_a_template_that_reads_it(model: LLM) -> None:
    with pytest.raises(InvalidRequest, match="instruction"):
        model.score(_QUERY, "Water.", instruction="Be strict.", use_tqdm=False)


def test_only_a_request_that_says_so_is_cut_and_then_at_its_end(folder: Path, page: Image.Image) -> None:
    document = {"image": page, "text": "water " * 60}
    with LLM(str(folder), max_model_len=64) as short:
        with pytest.raises(PromptTooLong, match="64 tokens"):
            short.score(_QUERY, document, use_tqdm=False)
        whole = _written(short, f"{_TILES} question:{_QUERY} \n \n passage:" + "water " * 60)
        (found,) = _ids(short, _QUERY, document, tokenization_kwargs={"truncate_prompt_tokens": -1})
        assert found == whole[:64]
        with pytest.raises(InvalidRequest, match="no room"):
            short.score(_QUERY, document, tokenization_kwargs={"truncate_prompt_tokens": 12}, use_tqdm=False)


def test_parts_of_a_pair_are_cut_by_their_own_limits(model: LLM) -> None:
    options = {"max_tokens_per_query": 2, "max_tokens_per_doc": 3}
    (found,) = _ids(model, "a b c d", "e f g h", tokenization_kwargs=options)
    assert found == _written(model, "question:a b \n \n passage:e f g")


def test_the_longest_pair_is_the_one_of_the_files(model: LLM, edited: Callable[..., Path]) -> None:
    assert model.report()["max tokens"].startswith("8192")  # positions of the look-alike, below p_max_length
    with LLM(str(edited(_FAMILY, {"config.json": {"p_max_length": 300}}))) as other:
        assert other.report()["max tokens"].startswith("300")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 0}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"prompt_template": 1}, "prompt_template"),
        ({"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}, "2 labels"),
    ],
)
def test_files_that_contradict_themselves_are_refused(
    edited: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(_FAMILY, {"config.json": changes})))


@pytest.mark.parametrize(
    ("rename", "added", "message"),
    [
        (lambda name: None if name == "score.weight" else name, None, "score.weight"),
        (None, {"score.bias": torch.zeros(1)}, "score.bias"),
        (None, {"score.weight": torch.full((1, 64), math.nan)}, "NaN"),
        (None, {"score.weight": torch.zeros(1, 32)}, "shape"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(
    edited: Callable[..., Path], rename: Any, added: Any, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        LLM(str(edited(_FAMILY, rename=rename, added=added)))
