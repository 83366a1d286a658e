"""The media of prompts: checked, then loaded and read in threads of their own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from cenote.config import EngineConfig
from cenote.config.media_limits import media_limit
from cenote.errors import InvalidRequest, MediaUnavailable
from cenote.inputs.embeds import RawEmbeds
from cenote.inputs.media import check_modalities, media_kind
from cenote.media import Clip, MediaPolicy, Picture, VideoLimits, load_media
from cenote.threads import DaemonThreads
from cenote.types import MediaAddress, MediaItem, Prompt

__all__ = ["MediaStage"]

T = TypeVar("T")

#: Blamed where a medium came without an address.
_PARAM = "multi_modal_data"
#: Threads that wait for hosts, for each one that decodes.
_WAITING = 4


@dataclass(slots=True)
class _Allowance:
    """What is left of the bytes and seconds that the media of one prompt may take together.

    Attributes:
        policy: what the operator allows.
        held: bytes that were loaded so far.
        end: time of `time.monotonic` after which nothing more is fetched.
    """

    policy: MediaPolicy
    held: int = 0
    end: float = 0.0

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.policy.timeout

    def load(self, address: MediaAddress) -> bytes:
        """Return the bytes behind an address.

        Raises:
            InvalidRequest: it is not allowed, or the media of the prompt are too many bytes.
            MediaUnavailable: the time is over.
        """
        seconds = self.end - time.monotonic()
        if seconds <= 0:
            text = f"The media of the prompt were not given within {self.policy.timeout:g} seconds in all."
            raise MediaUnavailable(text, param=address.param)
        policy = replace(self.policy, timeout=max(round(seconds, 3), 0.001))
        data = load_media(address.url, policy, param=address.param)
        self.held += len(data)
        if self.held > self.policy.max_bytes:
            text = (
                f"The media of the prompt have more than the {self.policy.max_bytes} bytes that are allowed together."
            )
            raise InvalidRequest(text, param=address.param)
        return data


class MediaStage:
    """Loads media as the operator allows. Thread safe; its threads begin with the first prompt that has media."""

    def __init__(self, modalities: Sequence[str], config: EngineConfig) -> None:
        """Prepare.

        Args:
            modalities: what the model reads, as in `ModelLimits`.
            config: limits and permissions.
        """
        self._modalities = tuple(modalities)
        self._counts = config.limit_mm_per_prompt
        self._takes_embeds = config.enable_mm_embeds
        self._policy = MediaPolicy.of(config)
        self._max_pixels = config.max_image_pixels
        self._video = VideoLimits.of(config)
        self._threads = DaemonThreads(config.media_workers, "cenote-media")
        # Apart, so that a host that is slow keeps nobody waiting whose images are there.
        self._waiting = DaemonThreads(_WAITING * config.media_workers, "cenote-fetch")

    def check(self, prompt: Prompt) -> None:
        """Check what can be checked without loading anything.

        Raises:
            InvalidRequest: the model does not read such media, they are more than allowed, or precomputed embeddings
                are not accepted.
        """
        if not prompt.media:
            return
        check_modalities(prompt, self._modalities)
        kinds = Counter(map(media_kind, prompt.media))
        for kind, count in kinds.items():
            most = media_limit(self._counts, kind)
            if count > most:
                text = f"The prompt has {count} media of the kind {kind!r}; at most {most} are accepted"
                first = next(item for item in prompt.media if media_kind(item) == kind)
                raise InvalidRequest(f"{text} (limit_mm_per_prompt). Spread them over prompts.", param=_param(first))
        given = next((item for item in prompt.media if isinstance(item.value, RawEmbeds)), None)
        if given is not None and not self._takes_embeds:
            text = "Precomputed embeddings of images are not accepted here (enable_mm_embeds is off). Send the image."
            raise InvalidRequest(text, param=_param(given))

    def load(self, prompt: Prompt, is_wanted: Callable[[], bool] = lambda: True) -> Prompt:
        """Return a prompt whose media are loaded and read as far as models need; blocking.

        Args:
            prompt: as it was sent.
            is_wanted: asked before each medium; where somebody no longer waits, the rest is left.

        Raises:
            InvalidRequest: one is not allowed, or cannot be read, or nobody waits.
            MediaFetchError: its host will not give it.
            MediaUnavailable: its host does not give it for now.
            MissingDependency: it is a video, and the extra `video` is not installed.
        """
        if not prompt.media:
            return prompt
        allowance = _Allowance(self._policy)
        media = []
        for item in prompt.media:
            if not is_wanted():
                raise InvalidRequest("Nobody waits for this prompt any more.", param=_param(item))
            media.append(self._loaded(item, allowance))
        return replace(prompt, media=tuple(media))

    def blame(self, error: Exception, prompt: Prompt) -> None:
        """Name the field of a prompt's first medium in an error that names none: what is broken shows when it is read.

        Args:
            error: raised while the prompt was made ready.
            prompt: as it was before its media were loaded.
        """
        if prompt.media and isinstance(error, InvalidRequest) and error.param in (None, _PARAM):
            error.param = _param(prompt.media[0])

    def submit(self, prompt: Prompt, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call in one of the threads for such a prompt."""
        addresses = (item.value.url for item in prompt.media if isinstance(item.value, MediaAddress))
        is_fetched = any(url[:5].lower() != "data:" for url in addresses)
        return (self._waiting if is_fetched else self._threads).submit(call, *arguments)

    def shutdown(self, error: Callable[[], Exception]) -> None:
        """Fail what has not begun with an error made for it; the threads end."""
        for threads in (self._threads, self._waiting):
            threads.shutdown(error)

    def _loaded(self, item: MediaItem, allowance: _Allowance) -> MediaItem:
        value, param = item.value, _param(item)
        if isinstance(value, RawEmbeds):
            return MediaItem(item.kind, value.read(self._policy.max_bytes))
        if isinstance(value, MediaAddress):
            value = allowance.load(value)
        try:
            if isinstance(value, Picture):
                value.check_size(self._max_pixels)
            if not isinstance(value, bytes):
                return item
            if item.kind == "video":
                return MediaItem(item.kind, Clip.of_bytes(value, self._video))
            return MediaItem(item.kind, Picture.of_bytes(value, max_pixels=self._max_pixels))
        except InvalidRequest as exc:
            exc.param = param
            raise


def _param(item: MediaItem) -> str:
    return item.value.param if isinstance(item.value, MediaAddress | RawEmbeds) else _PARAM
