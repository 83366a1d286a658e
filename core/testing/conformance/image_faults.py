"""Images that are refused, and what they do to others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cenote.engine import LLM
from cenote.errors import InvalidRequest
from cenote.testing.capabilities import needs
from cenote.testing.compare import assert_all_close, assert_close
from cenote.testing.conformance.base import Alone, encode, run
from cenote.testing.conformance.images import ImageTests, as_png, as_prompt

__all__ = ["ImageFaultTests"]


class ImageFaultTests(ImageTests):
    """Too many images, broken ones, and texts that look like one."""

    @needs("image")
    def test_more_images_than_allowed_are_refused(self, checkpoint: str | Path, pictures: list[Any]) -> None:
        with LLM(str(checkpoint), **{**self.options, "limit_mm_per_prompt": {"image": 1}}) as model:
            with pytest.raises(InvalidRequest):
                run(model, [as_prompt(pictures[:2])], self.tasks[0])
            assert len(run(model, [as_prompt(pictures[:1])], self.tasks[0])) == 1

    @needs("image", "placeholder")
    def test_a_placeholder_in_a_text_moves_no_image(self, model: LLM, pictures: list[Any], each_picture: Alone) -> None:
        token, task = self.placeholder, self.tasks[0]
        (ids,) = [output.prompt_token_ids for output in run(model, [as_prompt(pictures[0])], task)]
        attacks = [
            f"water {token} water",
            [ids[0], *ids[len(ids) // 2 :], ids[-1]],
            {"prompt": f"{token} and {token}", **as_prompt(pictures[0])},
        ]
        for attack in attacks:
            try:
                found = encode(model, [as_prompt(pictures[0]), attack, as_prompt(pictures[1])], task)
            except InvalidRequest:
                continue
            assert_close(found[0], each_picture(task)[0], tolerance=self.tolerance, name="an image before a text")
            assert_close(found[2], each_picture(task)[1], tolerance=self.tolerance, name="an image after a text")

    @needs("image")
    def test_broken_images_are_refused_and_their_neighbours_answered(
        self, model: LLM, pictures: list[Any], each_picture: Alone
    ) -> None:
        task = self.tasks[0]
        data = as_png(pictures[0])
        broken = [data[: len(data) // 2], data[:20], b"no image", b""]

        def ask(picture: Any) -> Any:
            try:
                return encode(model, [as_prompt(picture)], task)[0]
            except InvalidRequest as exc:
                return exc

        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(ask, [part for picture in pictures for part in (picture, *broken)]))
        kinds = [isinstance(answer, InvalidRequest) for answer in found]
        assert kinds == [False, *[True] * len(broken)] * len(pictures)
        answers = found[:: 1 + len(broken)]
        assert_all_close(answers, each_picture(task), tolerance=self.tolerance, name="images beside broken ones")
