"""A query and a document with their images as one prompt, of which only the end of the document may be cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from cenote.adapters.qwen_vl.layouts import PLACEHOLDERS, visual
from cenote.adapters.qwen_vl.seeing import Seen
from cenote.adapters.qwen_vl.writing import Written
from cenote.inputs import ChatPairTemplate, FilledPair, RerankTemplate, check_no_placeholders
from cenote.inputs.chat import ChatRenderer
from cenote.types import ChatOptions

__all__ = ["PairWriter", "Side"]

#: What stands for a side with neither text nor image.
_NOTHING = "NULL"


@dataclass(frozen=True, slots=True)
class Side:
    """A query or a document.

    Attributes:
        text: perhaps empty.
        seen: its media, which stand in front of the text.
    """

    text: str
    seen: Sequence[Seen] = ()

    @property
    def marks(self) -> str:
        """Return what stands for its media."""
        return "".join(visual(item.kind) for item in self.seen)

    def written(self, nothing: str = "") -> str:
        """Return media and text, or `nothing` where there is neither."""
        return self.marks + self.text or nothing


@dataclass(frozen=True, slots=True)
class PairWriter:
    """Writes pairs; may be used from many threads.

    Attributes:
        renderer: fills chat templates of the user.
    """

    renderer: ChatRenderer

    def write(
        self,
        query: Side,
        document: Side,
        template: RerankTemplate | ChatPairTemplate | None,
        chat: ChatOptions,
        instruction: str | None,
    ) -> Written:
        """Write a pair.

        Args:
            query: one side.
            document: the other one.
            template: how; None writes the one behind the other.
            chat: what the request says of templates.
            instruction: what to judge by, where `chat` has none.

        Raises:
            InvalidRequest: a text holds a placeholder, or the template fails or leaves out a text.
        """
        check_no_placeholders([query.text, document.text], PLACEHOLDERS.values())
        if template is None:
            return Written(query.written() + document.marks, document.text, "")
        if isinstance(template, ChatPairTemplate):
            given = None if chat.instruction else instruction
            return self._rendered(query, document, FilledPair(self.renderer, template, chat, given))
        return _filled(query, document, template, _asked(chat) or instruction)

    def _rendered(self, query: Side, document: Side, filled: FilledPair) -> Written:
        """Return what a chat template writes; where it changes the text of the document, nothing of it can be cut.

        Where the document stands shows what stays the same around another one: its text may occur elsewhere as well.
        """
        whole = filled.text(query.written(), document.written())
        if not document.text:
            return Written(whole, "", "")
        other = filled.text(query.written(), document.marks + _unlike(document.text))
        head, tail = _count_equal(whole, other), _count_equal(whole[::-1], other[::-1])
        end = len(whole) - tail
        if head > end or whole[head:end] != document.text:
            return Written(whole, "", "")
        return Written(whole[:head], document.text, whole[end:])


def _unlike(text: str) -> str:
    """Return a character that this text neither begins nor ends with."""
    return next(mark for mark in "012" if mark not in (text[0], text[-1]))


def _count_equal(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _asked(chat: ChatOptions) -> str | None:
    """Return the instruction of a request, by the names that vLLM's template for these models reads, in its order."""
    found = chat.instruction or chat.kwargs.get("instruction") or chat.kwargs.get("instruct")
    return None if found is None else str(found)


def _filled(query: Side, document: Side, template: RerankTemplate, instruction: str | None) -> Written:
    """Fill a template that ends in the document.

    Source: `format_mm_content` of `qwen3_vl_reranker.py`: media, then the text, or `NULL` without either.
    """
    front, behind = "".join((*template.prefix, *template.body)).split("{document}")
    nothing = "" if document.text or document.seen else _NOTHING
    before = template.fill(front, query.written(_NOTHING), "", instruction) + document.marks + nothing
    return Written(before, document.text, behind + "".join(template.suffix))
