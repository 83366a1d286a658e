"""What stands around a text, an image or a video: data, by model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cenote.types import Role

__all__ = ["PLACEHOLDERS", "Layout", "Layouts", "plain_layouts", "reference_layouts", "visual"]

#: The token that stands for a medium, by its kind; patches of the medium take its place.
PLACEHOLDERS: Mapping[str, str] = {"image": "<|image_pad|>", "video": "<|video_pad|>"}


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to write a prompt.

    Attributes:
        before: what stands in front of the text; a placeholder in it stands for the medium.
        after: what stands behind the text.
        gap: what stands between `before` and a text, if there is one.
    """

    before: str = ""
    after: str = ""
    gap: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layouts:
    """Every way in which a model reads prompts.

    Attributes:
        texts: of texts alone, by what they are for.
        media: of an image or a video, with or without a text, by kind.
        strips: white space around a text is removed.
        dropped: texts beside a medium that count as none: clients of vLLM send the model's own prompt.
        stacks: media, one or several, stand right in front of the text, in its own layout; `media` names their kinds.
        empty: stands in place of a text where there is neither text nor medium.
    """

    texts: Mapping[Role, Layout]
    media: Mapping[str, Layout]
    strips: bool = False
    dropped: frozenset[str] = field(default_factory=frozenset)
    stacks: bool = False
    empty: str = ""

    @property
    def is_plain(self) -> bool:
        """Tell whether a text is read as it is."""
        return not any(layout.before or layout.after for layout in self.texts.values())

    def shown(self) -> str:
        """Return one line for people."""
        texts: list[tuple[str, Layout]] = [*self.texts.items()]
        if len(set(self.texts.values())) == 1:
            texts = [("text", layout) for _, layout in texts[:1]]
        parts = [*texts, *self.media.items()]
        return "; ".join(f"{name} {layout.before + layout.gap + '{text}' + layout.after!r}" for name, layout in parts)


def visual(kind: str) -> str:
    """Return what stands for a medium: its placeholder between the marks of something seen."""
    return f"<|vision_start|>{PLACEHOLDERS[kind]}<|vision_end|>"


def plain_layouts(kinds: tuple[str, ...]) -> Layouts:
    """Return vLLM's: texts as they are, and media right in front of them.

    Source: `get_placeholder_str` and the late-interaction scoring of vLLM 0.32.
    """
    texts: dict[Role, Layout] = {"query": Layout(), "document": Layout()}
    return Layouts(texts=texts, media={kind: Layout(visual(kind)) for kind in kinds})


def reference_layouts(texts: Mapping[Role, Layout], media: Mapping[str, Layout], *, strips: bool = False) -> Layouts:
    """Return a model's own."""
    prompts = (f"Describe the {kind}." for kind in media)
    own = frozenset(prompt for prompt in prompts if any(prompt in layout.before for layout in media.values()))
    return Layouts(texts=texts, media=media, strips=strips, dropped=own)
