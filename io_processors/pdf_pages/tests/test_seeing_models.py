"""With a model that reads images, pictures of the pages are embedded."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cenote import LLM
from cenote.errors import InvalidRequest
from cenote_pdf_pages.isolated import PdfProcesses

Asked = Callable[..., Any]


def sent(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("task", ["embed", "token_embed"])
def test_pages_get_the_vectors_of_their_pictures(
    seer: LLM, asked: Asked, pdf_of: Callable[..., bytes], page_of: Any, task: str
) -> None:
    file = pdf_of("a page", page_of("turned", rotation=90, red=True), page_of("", size=(30, 90)))
    data = {"documents": {"pdf": base64.b64encode(file).decode()}, "dpi": 36, "task": task, "include_text": True}
    answer = asked(seer, data)
    assert (answer.task, answer.input) == (task, "image")
    process = PdfProcesses(seconds=60, memory=1024**3)
    with process.open(file) as pdf:
        pictures = [pdf.picture(number, 36, 2048) for number in (1, 2, 3)]
    process.close()
    prompts: Any = [{"multi_modal_data": {"image": picture}} for picture in pictures]
    pages = answer.documents[0].pages
    for page, picture, wanted in zip(pages, pictures, seer.encode(prompts, pooling_task=task), strict=True):
        np.testing.assert_allclose(page.vectors or page.embedding, wanted.outputs.data, atol=1e-6)
        assert (page.width, page.height) == picture.size
        assert page.shape == list(wanted.outputs.data.shape)
    assert [page.text for page in pages] == ["a page", "turned", ""]
    assert not any(page.skipped for page in pages)


def test_lists_of_images_are_documents_too(seer: LLM, asked: Asked, pictures: list[Image.Image]) -> None:
    images = [sent(pictures[0]), f"data:image/png;base64,{sent(pictures[1])}", sent(pictures[2])]
    (document,) = asked(seer, {"documents": {"images": images}, "pages": "3,1-2"}).documents
    assert (document.page_count, [page.page for page in document.pages]) == (3, [3, 1, 2])
    for page in document.pages:
        prompt: Any = {"multi_modal_data": {"image": pictures[page.page - 1]}}
        (wanted,) = seer.encode(prompt, pooling_task="embed")
        np.testing.assert_allclose(page.embedding, wanted.outputs.data, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["aGVsbG8="], "document 0: image 1: it is no image that is read here"),
        (["https://example.org/a.png"], "document 0: image 1: Nothing is fetched over http"),
        ([], "document 0: 'images' is empty"),
    ],
)
def test_bad_images_are_named(seer: LLM, asked: Asked, images: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        asked(seer, {"documents": {"images": images}})
