"""Templates that turn a query and a document into one prompt, as plain data, and how they are tokenised and cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from cenote.errors import InvalidRequest
from cenote.inputs.budget import TokenBudget, too_long
from cenote.inputs.content import ContentTokenizer, Piece
from cenote.types import PreparedInput, TokenizationOptions

__all__ = ["RerankTemplate", "RerankTemplateEncoder"]

_FIELD = re.compile(r"\{(instruction|query|document)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankTemplate:
    """A prompt in parts, each of which is tokenised alone, as the libraries of such models do.

    `{query}`, `{document}` and `{instruction}` stand for the caller's texts, in which braces mean nothing.

    Attributes:
        prefix: parts in front; never cut.
        body: parts of which those with a query or a document are cut at their ends where the prompt is too long.
        suffix: parts behind; never cut.
        default_instruction: used where the caller gives none.
        instructed_body: in place of `body` where the caller gives an instruction; empty for the same.
        query_share: how much of the room beside prefix and suffix a query may take that is a part of its own.
        begin_with_bos: begin with the tokenizer's BOS token, unless it pads with the same.
    """

    body: tuple[str, ...]
    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()
    default_instruction: str = ""
    instructed_body: tuple[str, ...] = ()
    query_share: float = 1.0
    begin_with_bos: bool = False

    def fill(self, part: str, query: str, document: str, instruction: str | None) -> str:
        """Return a part with the caller's texts in it."""
        values = {"query": query, "document": document, "instruction": instruction or self.default_instruction}
        return _FIELD.sub(lambda match: values[match[1]], part)


class RerankTemplateEncoder:
    """Tokenises filled templates; may be used from many threads."""

    def __init__(self, content: ContentTokenizer, budget: TokenBudget, *, bos: int | None) -> None:
        """Prepare.

        Args:
            content: the tokenizer.
            budget: the model's limits.
            bos: id for templates that begin with BOS, or None where there is none.
        """
        self._content = content
        self._budget = budget
        self._bos = () if bos is None else (bos,)
        self._fixed = lru_cache(maxsize=256)(lambda text: tuple(content.whole(text)))

    def encode(
        self, query: str, document: str, template: RerankTemplate, options: TokenizationOptions, instruction: str | None
    ) -> PreparedInput:
        """Fill and tokenise; special tokens are those of the template, whatever `add_special_tokens` says.

        Raises:
            PromptTooLong: more tokens than the model takes, and no truncation asked for.
            InvalidRequest: truncation that leaves no room beside the template, or from the left.
        """
        if options.truncation_side == "left":
            raise InvalidRequest(
                "truncation_side is 'left', but the prompt template of this model is cut at the end of its texts only.",
                param="truncation_side",
            )

        def filled(parts: Sequence[str]) -> list[str]:
            return [template.fill(part, query, document, instruction) for part in parts]

        keep = self._budget.to_keep(options)
        limit = self._budget.most(options) if keep is None else keep
        parts = template.instructed_body if instruction and template.instructed_body else template.body
        bos = self._bos if template.begin_with_bos else ()
        head = [*bos, *chain.from_iterable(map(self._fixed, filled(template.prefix)))]
        tail = [*chain.from_iterable(map(self._fixed, filled(template.suffix)))]
        pieces = [self._content.first(text, limit + 1) for text in filled(parts)]
        total = len(head) + sum(piece.seen for piece in pieces) + len(tail)
        if total > limit and keep is None:
            raise too_long(total, limit, exact=all(piece.exact for piece in pieces))
        if total > limit:
            pieces = _cut(parts, pieces, limit - len(head) - len(tail), template.query_share)
        ids = (*head, *chain.from_iterable(piece.ids for piece in pieces), *tail)
        self._budget.check(ids, trusted=True)
        return PreparedInput(token_ids=ids, truncated_tokens=total - len(ids))


def _cut(parts: Sequence[str], pieces: Sequence[Piece], room: int, share: float) -> list[Piece]:
    """Cut a query to its share of the room, and the part with the document to what is left."""
    kept = [piece.ids for piece in pieces]
    last = max(at for at, part in enumerate(parts) if _FIELD.search(part))
    for at, part in enumerate(parts):
        if at != last and _FIELD.search(part):
            kept[at] = kept[at][: max(0, int(room * share))]
    rest = room - sum(len(ids) for at, ids in enumerate(kept) if at != last)
    if rest < 1:
        raise InvalidRequest(
            f"truncate_prompt_tokens leaves {max(0, room)} tokens beside the prompt template of this model, which is "
            "too few for a query and a document. Keep more tokens.",
            param="truncate_prompt_tokens",
        )
    kept[last] = kept[last][:rest]
    return [Piece(ids, len(ids), True, "") for ids in kept]
