"""Static embeddings against the libraries that made them: sentence-transformers and model2vec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model2vec import StaticModel
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from cenote import LLM, PoolerConfig, PoolingParams
from cenote.errors import CheckpointError, InvalidRequest, PromptTooLong
from cenote.testing.checkpoints import build_static
from cenote.testing.compare import assert_all_close
from cenote.testing.texts import sample_texts

Vectors = list[Any]
TOLERANCE = 1e-6


def vectors(model: LLM, texts: Any, **options: Any) -> Vectors:
    """Return the embeddings of texts."""
    return [np.asarray(output.outputs.embedding) for output in model.embed(texts, use_tqdm=False, **options)]


def edit(file: Path, change: Callable[[Any], Any]) -> None:
    """Rewrite a JSON file."""
    file.write_text(json.dumps(change(json.loads(file.read_text(encoding="utf-8")))), encoding="utf-8")


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """Change the stored tensors."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


@pytest.mark.parametrize("normalize", [False, True])
def test_modules_of_sentence_transformers_give_its_vectors(tmp_path: Path, normalize: bool) -> None:
    folder = build_static("static_embedding", tmp_path, normalize=normalize)
    reference = SentenceTransformer(str(folder), device="cpu")
    with LLM(str(folder)) as model:
        found = vectors(model, sample_texts())
        assert model.report()["normalize"] == f"{normalize} (sentence_transformers)"
    assert_all_close(found, reference.encode(sample_texts()), tolerance=TOLERANCE, name="embed")


def test_a_dense_module_after_the_table_is_applied(tmp_path: Path) -> None:
    folder = build_static("static_embedding", tmp_path)
    modules = [*json.loads((folder / "modules.json").read_text())]
    modules.append({"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.models.Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Dense").mkdir()
    settings = {"in_features": 32, "out_features": 8, "bias": True, "activation_function": "torch.nn.Tanh"}
    (folder / "1_Dense" / "config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    save_file(
        {"linear.weight": torch.randn(8, 32), "linear.bias": torch.randn(8)}, folder / "1_Dense/model.safetensors"
    )
    reference = SentenceTransformer(str(folder), device="cpu")
    with LLM(str(folder)) as model:
        assert_all_close(vectors(model, sample_texts()), reference.encode(sample_texts()), tolerance=TOLERANCE)


@pytest.mark.parametrize("written", ["root", "folder"])
def test_what_sentence_transformers_saves_today_loads(tmp_path: Path, written: str) -> None:
    reference = SentenceTransformer(
        str(build_static("static_embedding", tmp_path / "old", normalize=True)), device="cpu"
    )
    reference.save(str(tmp_path / "new"))
    if written == "folder":
        (tmp_path / "new" / "0_Static").mkdir()
        for name in ("model.safetensors", "tokenizer.json"):
            (tmp_path / "new" / name).rename(tmp_path / "new" / "0_Static" / name)
        edit(tmp_path / "new" / "modules.json", lambda modules: [{**modules[0], "path": "0_Static"}, *modules[1:]])
    with LLM(str(tmp_path / "new")) as model:
        assert_all_close(vectors(model, sample_texts()), reference.encode(sample_texts()), tolerance=TOLERANCE)


def test_stored_prompts_are_put_in_front(tmp_path: Path) -> None:
    folder = build_static("static_embedding", tmp_path)
    edit(folder / "config_sentence_transformers.json", lambda old: old | {"prompts": {"query": "search for: "}})
    reference = SentenceTransformer(str(folder), device="cpu")
    with LLM(str(folder)) as model:
        found = vectors(model, sample_texts(), role="query")
        assert_all_close(found, reference.encode(sample_texts(), prompt_name="query"), tolerance=TOLERANCE)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("modules", [False, True])
def test_model2vec_gives_its_own_vectors(tmp_path: Path, normalize: bool, mapped: bool, modules: bool) -> None:
    folder = build_static("model2vec", tmp_path, normalize=normalize, mapped=mapped)
    if not modules:
        (folder / "modules.json").unlink()
        (folder / "config_sentence_transformers.json").unlink()
    reference = StaticModel.from_pretrained(folder)
    with LLM(str(folder)) as model:
        assert model.limits.max_tokens == 512
        found = vectors(model, sample_texts())
    assert_all_close(found, reference.encode(sample_texts()), tolerance=TOLERANCE)


def test_every_token_has_the_vector_that_model2vec_gives_it(tmp_path: Path) -> None:
    folder = build_static("model2vec", tmp_path, mapped=True)
    reference = StaticModel.from_pretrained(folder)
    with LLM(str(folder)) as model:
        raw = PoolingParams(use_activation=False)
        found = model.encode(sample_texts(), raw, pooling_task="token_embed", use_tqdm=False)
    assert_all_close(
        [output.outputs.data.numpy() for output in found],
        reference.encode_as_sequence(sample_texts()),
        tolerance=TOLERANCE,
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.int8])
def test_quantised_tables_give_their_vectors(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = build_static("model2vec", tmp_path)
    rewrite(folder, lambda state: {"embeddings": (state["embeddings"] * 30).round().clamp(-127, 127).to(dtype)})
    reference = StaticModel.from_pretrained(folder)
    with LLM(str(folder)) as model:
        tolerance = 2e-3 if dtype == torch.float16 else TOLERANCE  # model2vec gives float16, here it is float32
        assert_all_close(vectors(model, sample_texts()), reference.encode(sample_texts()), tolerance=tolerance)


@pytest.mark.parametrize("text", ["word " * 40, "w" * 3 + " incomprehensibilities" * 30, "a b c d e f g h i " * 9])
def test_truncation_is_that_of_model2vec(tmp_path: Path, text: str) -> None:
    folder = build_static("model2vec", tmp_path)
    edit(folder / "config.json", lambda old: old | {"max_length": 20})
    reference = StaticModel.from_pretrained(folder)
    with LLM(str(folder)) as model:
        for asked, most in ((-1, 20), (7, 7)):
            found = vectors(model, [text], tokenization_kwargs={"truncate_prompt_tokens": asked})
            assert_all_close(found, reference.encode([text], max_length=most), tolerance=TOLERANCE)
        with pytest.raises(PromptTooLong, match="20"):
            vectors(model, [text])


def test_no_limit_of_model2vec_is_a_large_one_here(tmp_path: Path) -> None:
    folder = build_static("model2vec", tmp_path)
    edit(folder / "config.json", lambda old: old | {"max_length": None})
    text = "many words " * 900
    with LLM(str(folder)) as model:
        # Model2Vec adds the 1800 rows one by one in float32, which costs it a digit.
        assert_all_close(vectors(model, [text]), StaticModel.from_pretrained(folder).encode([text]), tolerance=1e-5)


def test_the_limit_that_tokenizer_json_stores_is_kept(tmp_path: Path) -> None:
    folder = build_static("static_embedding", tmp_path)
    cut = {"direction": "Right", "max_length": 6, "strategy": "LongestFirst", "stride": 0}
    edit(folder / "0_StaticEmbedding" / "tokenizer.json", lambda old: old | {"truncation": cut})
    reference = SentenceTransformer(str(folder), device="cpu")
    with LLM(str(folder)) as model:
        found = vectors(model, sample_texts(), tokenization_kwargs={"truncate_prompt_tokens": -1})
        assert_all_close(found, reference.encode(sample_texts()), tolerance=TOLERANCE)
        assert model.report()["max tokens"] == "6 (model_default)"


def test_special_tokens_are_never_added(tmp_path: Path) -> None:
    with LLM(str(build_static("static_embedding", tmp_path))) as model:
        plain, asked = (
            model.encode("a text", pooling_task="embed", use_tqdm=False, tokenization_kwargs=kwargs)[0].prompt_token_ids
            for kwargs in ({}, {"add_special_tokens": True})
        )
    assert plain == asked


def test_unknown_tokens_are_left_out_by_model2vec_alone(tmp_path: Path) -> None:
    text = "known \U0001f9ff\u0e01\u0e32 words"
    for name, kept in (("static_embedding", True), ("model2vec", False)):
        folder = build_static(name, tmp_path / name)
        file = next(folder.rglob("tokenizer.json"))
        unknown = json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]["[UNK]"]
        with LLM(str(folder)) as model:
            (output,) = model.encode(text, pooling_task="embed", use_tqdm=False)
        assert (unknown in output.prompt_token_ids) is kept


def test_a_prompt_without_known_tokens_is_refused_and_not_a_zero_vector(tmp_path: Path) -> None:
    with LLM(str(build_static("model2vec", tmp_path))) as model:
        with pytest.raises(InvalidRequest, match="in the vocabulary"):
            model.embed("\u0e01", use_tqdm=False)
        with pytest.raises(InvalidRequest, match="empty"):
            model.embed("", use_tqdm=False)


def test_pairs_are_refused(tmp_path: Path) -> None:
    with LLM(str(build_static("model2vec", tmp_path))) as model, pytest.raises(InvalidRequest, match="one text"):
        model.embed({"text": "a", "text_pair": "b"}, use_tqdm=False)


def test_another_pooling_may_be_chosen(tmp_path: Path) -> None:
    folder = build_static("static_embedding", tmp_path)
    with LLM(str(folder), pooler_config=PoolerConfig(pooling_type="MAX")) as model:
        (rows,) = model.encode("some words", pooling_task="token_embed", use_tqdm=False)
        assert_all_close(vectors(model, ["some words"]), [rows.outputs.data.numpy().max(0)], tolerance=TOLERANCE)


def test_sizes_are_cut_where_they_are_declared(tmp_path: Path) -> None:
    folder = build_static("static_embedding", tmp_path)
    whole = SentenceTransformer(str(folder), device="cpu").encode(sample_texts())
    cut = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    with LLM(str(folder), hf_overrides={"matryoshka_dimensions": [8, 16]}) as model:
        params = PoolingParams(dimensions=8, use_activation=True)
        assert_all_close(vectors(model, sample_texts(), pooling_params=params), cut, tolerance=TOLERANCE)
    with pytest.raises(InvalidRequest, match="matryoshka"):
        LLM(str(folder), pooler_config=PoolerConfig(dimensions=8))


BROKEN: list[tuple[str, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], str]] = [
    ("no table", lambda state: {"other": state["embeddings"]}, "other"),
    ("a further tensor", lambda state: state | {"scale": torch.ones(3)}, "scale"),
    ("a row too few", lambda state: {"embeddings": state["embeddings"][:-1].clone()}, "have a vector"),
    ("weights too few", lambda state: state | {"weights": torch.ones(3)}, "weights"),
    ("mapping too far", lambda state: state | {"mapping": torch.arange(1, len(state["embeddings"]) + 1)}, "mapping"),
]


@pytest.mark.parametrize(("change", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_table_that_does_not_fit_is_an_error(tmp_path: Path, change: Callable[[Any], Any], says: str) -> None:
    folder = build_static("model2vec", tmp_path)
    rewrite(folder, change)
    with pytest.raises(CheckpointError, match=says):
        LLM(str(folder))


def test_files_that_contradict_each_other_are_an_error(tmp_path: Path) -> None:
    folder = build_static("model2vec", tmp_path)
    edit(folder / "config.json", lambda old: old | {"normalize": False})
    with pytest.raises(CheckpointError, match=r"modules\.json the contrary"):
        LLM(str(folder))


def test_a_broken_tokenizer_is_an_error(tmp_path: Path) -> None:
    folder = build_static("model2vec", tmp_path)
    edit(folder / "tokenizer.json", lambda old: old | {"model": {"type": "Nonsense"}})
    with pytest.raises(CheckpointError, match="not a tokenizer"):
        LLM(str(folder))


def test_the_user_may_set_another_limit(tmp_path: Path) -> None:
    with LLM(str(build_static("model2vec", tmp_path)), max_model_len=2000) as model:
        assert model.report()["max tokens"] == "2000 (user)"


@pytest.mark.parametrize("limit", [0, -3, "many"])
def test_a_limit_that_is_no_positive_number_is_an_error(tmp_path: Path, limit: Any) -> None:
    folder = build_static("model2vec", tmp_path)
    edit(folder / "config.json", lambda old: old | {"max_length": limit})
    with pytest.raises(CheckpointError, match="positive"):
        LLM(str(folder))
