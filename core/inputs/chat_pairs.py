"""A query and a document as a conversation with the roles `query` and `document`, filled into a chat template.

Source: sentence-transformers 6.2 (`InputFormatter.pair_to_messages`, `Transformer._restore_chat_template_suffix`); vLLM
0.32 fills the same messages and hands the instruction over as the template variable `instruction`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile

from cenote.errors import InvalidRequest
from cenote.inputs.budget import TokenBudget, too_long
from cenote.inputs.chat import ChatRenderer
from cenote.inputs.content import ContentTokenizer
from cenote.inputs.specials import SpecialTokens
from cenote.types import ChatOptions, Message, PreparedInput, TokenizationOptions

__all__ = ["ChatPairEncoder", "ChatPairTemplate", "FilledPair"]

#: Short texts whose tokens differ from end to end.
_FILLERS = ("0", "1 2 3 4")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPairTemplate:
    """A chat template for pairs.

    Attributes:
        template: Jinja text, or None for the tokenizer's own; a request's own template goes before both.
        default_instruction: becomes the system message where the caller gives no instruction; None for no message.
        add_generation_prompt: end with the opening of the assistant's turn where the caller does not say.
    """

    template: str | None = None
    default_instruction: str | None = None
    add_generation_prompt: bool = False


class ChatPairEncoder:
    """Tokenises pairs filled into chat templates; may be used from many threads."""

    def __init__(
        self, renderer: ChatRenderer, content: ContentTokenizer, budget: TokenBudget, specials: SpecialTokens
    ) -> None:
        self._renderer = renderer
        self._content = content
        self._budget = budget
        self._specials = specials

    def encode(
        self,
        query: str,
        document: str,
        template: ChatPairTemplate,
        options: TokenizationOptions,
        instruction: str | None,
    ) -> PreparedInput:
        """Fill and tokenise in one go; where that is too long, cut before the template's end, which always stays.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            InvalidRequest: the template cannot carry a query and a document, or truncation leaves no room beside it.
        """
        if options.truncation_side == "left":
            raise InvalidRequest(
                "truncation_side is 'left', but the prompt template of this model is cut at the end of its texts only.",
                param="truncation_side",
            )
        filled = FilledPair(self._renderer, template, options.chat or ChatOptions(), instruction)
        keep = self._budget.to_keep(options)
        limit = self._budget.most(options) if keep is None else keep
        # The template writes special tokens itself, unless the caller says otherwise.
        specials = self._specials if options.add_special_tokens else SpecialTokens()
        piece = self._content.first(filled.text(query, document), limit + 1)
        total, ids = piece.seen + specials.count, piece.ids
        if total > limit and keep is None:
            raise too_long(total, limit, exact=piece.exact)
        if total > limit:
            ids = self._cut(ids, limit - specials.count, filled)
        whole = (*specials.head, *ids, *specials.tail)
        self._budget.check(whole, trusted=True)
        return PreparedInput(token_ids=whole, truncated_tokens=total - len(whole))

    def _cut(self, ids: list[int], room: int, filled: FilledPair) -> list[int]:
        one, other = (self._content.whole(filled.text(filler, filler)) for filler in _FILLERS)
        head = _count_equal(one, other)
        tail = _count_equal(one[::-1], other[::-1])
        if room <= head + tail:
            raise InvalidRequest(
                f"truncate_prompt_tokens leaves {room} tokens, but the prompt template of this model alone has "
                f"{head + tail}. Keep more tokens.",
                param="truncate_prompt_tokens",
            )
        return [*ids[: room - tail], *one[len(one) - tail :]]


class FilledPair:
    """A template with everything but the query and the document."""

    def __init__(
        self, renderer: ChatRenderer, template: ChatPairTemplate, chat: ChatOptions, instruction: str | None
    ) -> None:
        """Prepare.

        Args:
            renderer: of the model.
            template: of the model or the operator; one of `chat` goes before it.
            chat: of the request.
            instruction: what to judge by; None for that of `chat`, else the template's own.
        """
        self._renderer = renderer
        kwargs = dict(chat.kwargs)
        asked = instruction or chat.instruction or kwargs.get("instruction")
        if asked:
            kwargs["instruction"] = asked
        system = asked or template.default_instruction
        generate = chat.add_generation_prompt
        self._system: list[Message] = [{"role": "system", "content": system}] if system else []
        self._options = replace(
            chat,
            kwargs=kwargs,
            add_generation_prompt=template.add_generation_prompt if generate is None else generate,
        )
        self._own = template.template

    def text(self, query: str, document: str) -> str:
        """Return the text of a pair, of which either may begin with placeholders of its media.

        Raises:
            InvalidRequest: the template fails, or leaves out the query or the document.
        """
        text = self._render(query, document)
        # A template may change a text beyond recognition; only one that is the same for another text leaves it out.
        if query.strip() not in text and self._render(query + " x", document) == text:
            raise self._left_out("query")
        if document.strip() not in text and self._render(query, document + " x") == text:
            raise self._left_out("document")
        return text

    def _render(self, query: str, document: str) -> str:
        pair: list[Message] = [{"role": "query", "content": query}, {"role": "document", "content": document}]
        return self._renderer.render([*self._system, *pair], self._options, own=self._own)

    def _left_out(self, role: str) -> InvalidRequest:
        return InvalidRequest(
            f"The chat template leaves out the text of the role {role!r}, so that it cannot be used to score pairs. "
            "Give one that writes down the messages with the roles 'query' and 'document'.",
            param="chat_template",
        )


def _count_equal(one: list[int], other: list[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
