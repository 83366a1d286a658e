"""Media of a prompt: how many tokens they take, told before anything is decoded, and what the model reads of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cenote.adapters.qwen_vl.embeds import PreparedEmbeds
from cenote.adapters.qwen_vl.images import prepare_image
from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.adapters.qwen_vl.video import prepare_video
from cenote.adapters.qwen_vl.video_rules import VideoRules
from cenote.errors import InvalidRequest
from cenote.media import Clip, MediaCache
from cenote.types import MediaItem

__all__ = ["MediaReader", "Seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One medium of a prompt.

    Attributes:
        kind: `image` or `video`: whose placeholder stands for it.
        tokens: of each of its rectangles: one of an image, one per frame of a video.
        prepare: makes what the model reads.
        moments: what is written in front of each frame of a video.
    """

    kind: str
    tokens: tuple[int, ...]
    prepare: Callable[[], Any]
    moments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReader:
    """Measures and prepares media for one model; may be used from many threads.

    Attributes:
        rules: of images.
        cache: of prepared media.
        width: numbers that the vision tower gives per token.
        takes_embeds: what a vision tower made of an image is taken in place of the image.
        videos: rules of videos, or None where the model reads none.
    """

    rules: ImageRules
    cache: MediaCache
    width: int
    takes_embeds: bool = False
    videos: VideoRules | None = None

    def measure(self, media: Sequence[MediaItem]) -> list[Seen]:
        """Return the media of a prompt, not decoded yet.

        Raises:
            InvalidRequest: an image or video is too long and narrow, a video has a single frame, or embeddings do not
                fit the model or are not allowed.
        """
        return [seen for item in media for seen in self._measure(item)]

    def _measure(self, item: MediaItem) -> list[Seen]:
        if item.kind == "image_embeds":
            return self._embeds(item.value)
        if item.kind == "video" and self.videos is not None:
            return [self._video(item.value, self.videos)]
        if item.kind != "image":
            raise InvalidRequest(f"This model reads no {item.kind}s. Send images.", param="video_url")
        rows, columns = self.rules.fit(item.value.width, item.value.height)
        image = Seen(
            kind="image",
            tokens=(rows * columns,),
            prepare=lambda: prepare_image(item.value, self.rules, self.cache),
        )
        return [image]

    def _video(self, clip: Clip, rules: VideoRules) -> Seen:
        plan = rules.plan(clip)
        return Seen(
            kind="video",
            tokens=plan.tokens,
            prepare=lambda: prepare_video(clip, rules, self.cache),
            moments=plan.moments,
        )

    def _embeds(self, value: Any) -> list[Seen]:
        if not self.takes_embeds:
            text = "Embeddings of images are not taken here: start with enable_mm_embeds=True (--enable-mm-embeds)."
            raise InvalidRequest(text, param="image_embeds")
        merge = self.rules.merge_size
        return [
            Seen(kind="image", tokens=(made.grid[1] * made.grid[2] // merge**2,), prepare=lambda made=made: made)  # type: ignore[misc]
            for made in PreparedEmbeds.of(value, width=self.width, merge_size=merge)
        ]
