"""A pair that a cross-encoder reads knows whose image is whose."""

from __future__ import annotations

from cenote.scoring.cross_encoder import CROSS_ENCODER
from cenote.types import MediaItem, Prompt


def test_a_joint_prompt_says_how_many_media_are_the_querys() -> None:
    one, two, three = (MediaItem(kind="image", value=name) for name in "abc")
    queries = [Prompt(text="What is this?", media=(one,)), Prompt(text="What?")]
    (both, only) = CROSS_ENCODER.inputs(queries, [Prompt(text="A page.", media=(two, three))], [(0, 0), (1, 0)])
    assert (both.prompt.media, both.prompt.first_media) == ((one, two, three), 1)
    assert (only.prompt.media, only.prompt.first_media) == ((two, three), 0)
