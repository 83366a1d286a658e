"""The tokens of queries and of documents: markers, filling, lengths, and tokens without a vector."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.checkpoints import load_tokenizer, open_checkpoint
from cenote.errors import InvalidRequest, PromptTooLong

_LONG = "one two three four five six seven eight nine ten " * 20


def _tokenizer(folder: Path) -> Any:
    return load_tokenizer(open_checkpoint(str(folder)))


@pytest.mark.parametrize("family", ["colbert_v2", "gte_moderncolbert", "jina_colbert_v2", "lfm2_colbert"])
def test_markers_stand_behind_the_first_token(
    family: str, folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], encode: Any
) -> None:
    words = _tokenizer(folder_of(family))
    plain = words.encode("what is it")
    report = loaded(family).report()
    for role in ("query", "document"):
        marker = words.convert_tokens_to_ids(report[f"{role} marker"].split("'")[1])
        (output,) = encode(loaded(family), ["what is it"], role)
        assert output.prompt_token_ids[: len(plain) + 1] == [plain[0], marker, *plain[1:]]


@pytest.mark.parametrize(
    ("family", "token"), [("colbert_v2", "[MASK]"), ("jina_colbert_v2", "<mask>"), ("lfm2_colbert", "<|im_end|>")]
)
def test_queries_are_filled_and_every_token_has_a_vector(
    family: str, token: str, folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], encode: Any
) -> None:
    (output,) = encode(loaded(family), ["what, is it?"], "query")
    filler = _tokenizer(folder_of(family)).convert_tokens_to_ids(token)
    assert len(output.prompt_token_ids) == len(output.outputs.data) == 32
    assert output.prompt_token_ids[-8:] == [filler] * 8
    assert output.outputs.positions == list(range(32))


def test_queries_that_are_not_expanded_are_as_long_as_their_text(loaded: Callable[[str], LLM], encode: Any) -> None:
    (output,) = encode(loaded("pylate_plain_queries"), ["what is it"], "query")
    assert len(output.outputs.data) == len(output.prompt_token_ids) < 32


def test_punctuation_of_documents_has_no_vector(
    folder_of: Callable[[str], Path], loaded: Callable[[str], LLM], encode: Any
) -> None:
    words = _tokenizer(folder_of("colbert_v2"))
    (output,) = encode(loaded("colbert_v2"), ["(what?) is - it!"], "document")
    tokens = words.convert_ids_to_tokens(output.prompt_token_ids)
    kept = [tokens[place] for place in output.outputs.positions]
    assert kept == [token for token in tokens if token not in string.punctuation]
    assert kept[:2] == ["[CLS]", "[unused1]"]
    assert kept[-1] == "[SEP]"


def test_punctuation_is_kept_where_the_file_says_so(edited: Any, encode: Any) -> None:
    with LLM(str(edited("colbert_v2", {"artifact.metadata": {"mask_punctuation": False}}))) as model:
        (output,) = encode(model, ["what? is it!"], "document")
        assert len(output.outputs.data) == len(output.prompt_token_ids)
        assert model.report()["skiplist words"] == "none (artifact.metadata)"


def test_a_word_of_several_tokens_leaves_out_the_first_of_them_only(
    folder_of: Callable[[str], Path], encode: Any
) -> None:
    """Source: colbert-ai 0.2.22, whose list holds `encode(symbol, add_special_tokens=False)[0]` of each symbol."""
    folder = folder_of("colbert_v2")
    with LLM(str(folder), hf_overrides={"late_interaction": {"skiplist_words": ["the water"]}}) as model:
        (output,) = encode(model, ["the water"], "document")
    first, *others = _tokenizer(folder).encode("the water", add_special_tokens=False)
    kept = [output.prompt_token_ids[place] for place in output.outputs.positions]
    assert first not in kept
    assert others
    assert set(others) <= set(kept)


def test_padding_that_a_document_spells_has_no_vector_in_colbert_ai_only(
    loaded: Callable[[str], LLM], encode: Any
) -> None:
    """Source: `ColBERT.mask` of colbert-ai 0.2.22. PyLate leaves out only what its list names."""
    for family, dropped in (("colbert_v2", True), ("gte_moderncolbert", False)):
        words = loaded(family).get_tokenizer()
        (output,) = encode(loaded(family), [f"what {words.pad_token} is"], "document")
        kept = [output.prompt_token_ids[place] for place in output.outputs.positions]
        assert words.pad_token_id in output.prompt_token_ids
        assert (words.pad_token_id not in kept) is dropped


def test_unknown_words_of_the_list_drop_the_unknown_token_in_pylate_only(edited: Any, encode: Any) -> None:
    file = {"skiplist_words": ["no such word"]}
    folders = {
        "PyLate": edited("gte_moderncolbert", {"config_sentence_transformers.json": file}),
        "sentence-transformers": edited("multi_vector_encoder", {"2_MultiVectorMask/config.json": file}),
    }
    for library, folder in folders.items():
        unknown = _tokenizer(folder).unk_token
        with LLM(str(folder)) as model:
            (output,) = encode(model, [f"what {unknown} is"], "document")
        assert (len(output.outputs.data) < len(output.prompt_token_ids)) is (library == "PyLate")


def test_a_text_without_a_role_is_a_document(loaded: Callable[[str], LLM], encode: Any) -> None:
    for family in ("gte_moderncolbert", "multi_vector_encoder"):
        found = [encode(loaded(family), ["What is it?"], role)[0].prompt_token_ids for role in (None, "document")]
        assert found[0] == found[1]


@pytest.mark.parametrize(("role", "length"), [("query", 32), ("document", 48)])
def test_each_role_has_its_length(role: str, length: int, loaded: Callable[[str], LLM], encode: Any) -> None:
    model = loaded("gte_moderncolbert")
    with pytest.raises(PromptTooLong, match=f"at most {length}"):
        encode(model, [_LONG], role, truncate_prompt_tokens=None)
    if role == "query":
        with pytest.raises(PromptTooLong, match="limit of queries; documents may have 48"):
            encode(model, [_LONG], role, truncate_prompt_tokens=None)
    (output,) = encode(model, [_LONG], role)
    assert len(output.prompt_token_ids) == length
    assert output.truncated_tokens > 0
    (left,) = encode(model, [_LONG], role, truncation_side="left")
    assert left.prompt_token_ids[:2] == output.prompt_token_ids[:2]
    assert left.prompt_token_ids[-1] == output.prompt_token_ids[-1]
    assert left.prompt_token_ids != output.prompt_token_ids


def test_one_limit_for_both_roles_cuts_each_as_far_as_it_goes(loaded: Callable[[str], LLM], encode: Any) -> None:
    model = loaded("gte_moderncolbert")
    (query,) = encode(model, [_LONG], "query", truncate_prompt_tokens=40)
    (document,) = encode(model, [_LONG], "document", truncate_prompt_tokens=40)
    assert (len(query.prompt_token_ids), len(document.prompt_token_ids)) == (32, 40)
    (short,) = encode(model, [_LONG], "query", truncate_prompt_tokens=8)
    assert len(short.prompt_token_ids) == 32  # eight, and the filling
    with pytest.raises(InvalidRequest, match="49"):
        encode(model, [_LONG], "document", truncate_prompt_tokens=49)


def test_white_space_is_removed_as_the_libraries_do(loaded: Callable[[str], LLM], encode: Any) -> None:
    for family, stripped in (("gte_moderncolbert", True), ("multi_vector_encoder", False)):
        bare, spaced = encode(loaded(family), ["what is it", "  what is it\n"], "document")
        assert (bare.prompt_token_ids == spaced.prompt_token_ids) is stripped


def test_texts_are_lower_cased_where_the_file_says_so(edited: Any, encode: Any) -> None:
    for family in ("gte_moderncolbert", "multi_vector_encoder"):
        with LLM(str(edited(family, {"sentence_bert_config.json": {"do_lower_case": True}}))) as model:
            upper, lower = encode(model, ["WHAT IS IT", "what is it"], "document")
        assert upper.prompt_token_ids == lower.prompt_token_ids


def test_token_ids_and_bare_texts_are_taken_as_they_are(loaded: Callable[[str], LLM], encode: Any) -> None:
    model = loaded("gte_moderncolbert")
    (document,) = encode(model, ["What, is it?"], "document")
    (ids,) = encode(model, [document.prompt_token_ids], "query")
    assert ids.prompt_token_ids == document.prompt_token_ids
    assert len(ids.outputs.data) == len(ids.prompt_token_ids)
    (same,) = encode(model, [document.prompt_token_ids], "document")
    assert (same.outputs.data == document.outputs.data).all()
    (bare,) = encode(model, ["What, is it?"], "query", add_special_tokens=False)
    assert bare.prompt_token_ids == document.prompt_token_ids[2:-1]


def test_what_means_nothing_here_is_refused(loaded: Callable[[str], LLM], encode: Any) -> None:
    with pytest.raises(InvalidRequest, match="padding"):
        encode(loaded("gte_moderncolbert"), ["what"], "query", padding="max_length")
    with pytest.raises(InvalidRequest, match="text_pair"):
        encode(loaded("gte_moderncolbert"), [{"text": "what", "text_pair": "it"}])
