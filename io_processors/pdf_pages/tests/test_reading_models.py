"""With a model that reads text only, the text of the pages is embedded."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote.testing.checkpoints import build_checkpoint

Asked = Callable[..., Any]
Encoded = Callable[..., str]


def test_each_page_gets_the_vector_of_its_text(reader: LLM, asked: Asked, encoded: Encoded) -> None:
    texts = ["A cenote is a pit.", "It holds\nwater.", "Bats live there."]
    answer = asked(reader, {"documents": [{"pdf": encoded(*texts)}, {"pdf": encoded("Rain.")}], "include_text": True})
    assert (answer.task, answer.input) == ("embed", "text")
    first, second = answer.documents
    assert (first.page_count, second.page_count) == (3, 1)
    assert [page.text for page in first.pages] == texts
    for page, wanted in zip([*first.pages, *second.pages], reader.embed([*texts, "Rain."]), strict=True):
        np.testing.assert_allclose(page.embedding, wanted.outputs.embedding, atol=1e-6)
        assert (page.shape, page.width, page.vectors, page.truncated, page.skipped) == ([32], None, None, False, None)


def test_one_vector_per_token_where_it_is_asked_for(reader: LLM, asked: Asked, encoded: Encoded) -> None:
    (page,) = asked(reader, {"documents": {"pdf": encoded("Rain.")}, "task": "token_embed"}).documents[0].pages
    (wanted,) = reader.encode("Rain.", pooling_task="token_embed")
    assert (page.embedding, page.text, page.shape) == (None, None, list(wanted.outputs.data.shape))
    np.testing.assert_allclose(page.vectors, wanted.outputs.data, atol=1e-6)


def test_pages_are_chosen_for_all_documents_or_each(reader: LLM, asked: Asked, encoded: Encoded) -> None:
    file = encoded("one", "two", "three")
    documents = [{"pdf": file}, {"pdf": file, "pages": [3, 1]}, {"pdf": f"data:application/pdf;base64,{file}"}]
    answer = asked(reader, {"documents": documents, "pages": "2-"})
    assert [[page.page for page in document.pages] for document in answer.documents] == [[2, 3], [3, 1], [2, 3]]


def test_a_page_without_text_is_skipped_and_says_so(reader: LLM, asked: Asked, encoded: Encoded) -> None:
    pages = asked(reader, {"documents": {"pdf": encoded("", "text")}}).documents[0].pages
    assert pages[0].embedding is None
    assert pages[0].skipped.startswith("The page holds no text. Use a model that reads images")
    assert pages[1].embedding is not None
    assert asked(reader, {"documents": {"pdf": encoded("")}}).documents[0].pages[0].skipped is not None


def test_a_long_text_is_cut_at_a_word_and_marked(reader: LLM, asked: Asked, encoded: Encoded, page_of: Any) -> None:
    lines = "\n".join(["rain falls on the rocks"] * 30)
    data = {"documents": {"pdf": encoded(page_of(lines, size=(300, 600)), "short")}, "include_text": True}
    long, short = asked(reader, data).documents[0].pages
    assert (long.truncated, short.truncated) == (True, False)
    assert long.text == lines
    fits = {count: len(reader.get_tokenizer()(" ".join(lines.split()[:count])).input_ids) for count in range(20, 90)}
    words = max(count for count, tokens in fits.items() if tokens <= 64)
    begin = reader.embed(" ".join(lines.split()[:words]))[0].outputs.embedding
    np.testing.assert_allclose(long.embedding, begin, atol=1e-6)
    with pytest.raises(InvalidRequest, match="document 0: page 1 has more text than is read; leave 'truncate' out"):
        asked(reader, {**data, "truncate": False})


@pytest.mark.parametrize("how", [{"prompt": "Represent this document for retrieval: "}, {"role": "query"}, {}])
def test_a_text_is_cut_to_what_the_request_leaves_room_for(
    reader: LLM, asked: Asked, encoded: Encoded, page_of: Any, how: dict[str, Any]
) -> None:
    lines = "\n".join(["rain falls on the rocks"] * 30)
    data = {"documents": {"pdf": encoded(page_of(lines, size=(300, 600)), "short")}, "on_error": "item"}
    long, short = asked(reader, data, **how).documents[0].pages
    assert (long.truncated, long.skipped, short.truncated) == (True, None, False)
    front = how.get("prompt", "")
    fits = {
        count: len(reader.get_tokenizer()(front + " ".join(lines.split()[:count])).input_ids) for count in range(90)
    }
    words = max(count for count, tokens in fits.items() if tokens <= 64)
    begin = reader.embed(" ".join(lines.split()[:words]), **how)[0].outputs.embedding
    np.testing.assert_allclose(long.embedding, begin, atol=1e-6)


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"pages": 3}, "data.pages"),
        ({"pages": [1, True]}, "data.pages"),
        ({"pages": ["1"]}, "data.pages"),
        ({"dpi": "144"}, "data.dpi"),
        ({"include_text": 1}, "data.include_text"),
        ({"documents": [3]}, "data.documents.0"),
        ({"documents": [{"pdf": "x", "pages": 1.5}]}, "data.documents.0.pages"),
        ({"documents": [{"pdf": "x", "password": "x" * 2000}]}, "data.documents.0.password"),
    ],
)
def test_refusals_name_the_field(reader: LLM, asked: Asked, encoded: Encoded, data: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(reader, {"documents": {"pdf": encoded("text")}, **data})
    assert refused.value.param == param


def test_documents_come_from_addresses_that_the_operator_allows(
    tmp_path: Path, asked: Asked, pdf_of: Callable[..., bytes], reader: LLM
) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_of("Rain."))
    with pytest.raises(InvalidRequest, match="document 0: No file: address is read here"):
        asked(reader, {"documents": {"url": f"file://{tmp_path}/a.pdf"}})
    folder = build_checkpoint("bert", tmp_path / "bert")
    with LLM(str(folder), io_processor_plugin="pdf-pages", allowed_local_media_path=str(tmp_path)) as llm:
        answer = asked(llm, {"documents": {"url": f"file://{tmp_path}/a.pdf"}, "include_text": True})
    assert answer.documents[0].pages[0].text == "Rain."


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"images": ["aGVsbG8="]}, r"reads text only; send PDF files with text, or use a model that reads images$"),
        ({"pdf": "aGVsbG8="}, "document 1: it is no PDF file"),
        ({"pdf": "no base64"}, "document 1: The data: address is not valid base64"),
        ({"pdf": ""}, "document 1: The medium is empty"),
        ({"url": "https://example.org/a.pdf"}, "document 1: Nothing is fetched over http"),
        ({"url": "a.pdf"}, "document 1: An address of media begins with its scheme"),
        ({"url": "data:;base64,aGVsbG8=", "pdf": "aGVsbG8="}, "this one has url and pdf"),
        ({}, "this one has none of them"),
        ({"images": [], "password": "x"}, "a password is for PDF files"),
        ({"file": "x"}, r"documents\.1\.file: Extra inputs"),
    ],
)
def test_bad_documents_are_refused_and_named(
    reader: LLM, asked: Asked, encoded: Encoded, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        asked(reader, {"documents": [{"pdf": encoded("good")}, document]})
    assert "IO processor 'pdf-pages' of cenote-pdf-pages" in str(refused.value)
    assert "hello" not in str(refused.value)


def test_a_bad_document_can_be_told_beside_the_others(reader: LLM, asked: Asked, encoded: Encoded) -> None:
    documents = [{"pdf": "aGVsbG8="}, {"pdf": encoded("hidden", password="x")}, {"pdf": encoded("good")}]
    bad, locked, good = asked(reader, {"documents": documents, "on_error": "item"}).documents
    assert (bad.pages, bad.page_count, bad.error) == ([], None, "it is no PDF file; images are given under 'images'")
    assert locked.error == "it is encrypted; give its 'password'"
    assert (good.error, len(good.pages)) == (None, 1)


@pytest.mark.parametrize("data", [None, {}, [], "text", {"documents": []}, {"documents": {"pdf": "x"}, "dpi": 0}])
def test_other_data_is_refused(reader: LLM, asked: Asked, data: Any) -> None:
    with pytest.raises(InvalidRequest):
        asked(reader, data)


def test_an_operator_sets_limits(tmp_path: Path, asked: Asked, encoded: Encoded) -> None:
    folder, file = build_checkpoint("bert", tmp_path / "bert"), encoded("one", "two")
    limits = {"max_documents": 2, "max_pages": 3, "max_bytes": len(base64.b64decode(file)), "max_dpi": 100}
    settings = {"pdf-pages": {**limits, "max_characters": 10}}
    refusals = [
        ({"documents": [{"pdf": file}] * 3, "dpi": 72}, "3 documents are given; a request may have 2"),
        ({"documents": [{"pdf": file}] * 2, "dpi": 72}, "document 1: 2 pages are asked for, and 1 are left"),
        ({"documents": {"pdf": encoded("one", "two, longer")}, "dpi": 72}, "document 0: it has .* bytes; at most"),
        ({"documents": {"pdf": file}, "dpi": 101}, "dpi=101 is asked for; at most 100 is allowed"),
    ]
    with LLM(str(folder), io_processor_plugin="pdf-pages", io_processor_settings=settings) as llm:
        for data, message in refusals:
            with pytest.raises(InvalidRequest, match=message):
                asked(llm, data)
        data = {"documents": {"pdf": encoded("rainy weather")}, "include_text": True, "dpi": 72}
        (page,) = asked(llm, data).documents[0].pages
        assert (page.text, page.truncated) == ("rainy weat", True)
