"""The tokens of a query, and which of them are its own: models put prefixes, markers and filling around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote import LLM

__all__ = ["QueryToken", "choose_tokens", "query_tokens"]

#: Texts that begin and end unlike each other; what the layouts of all share with that of the query was put around it.
_OTHERS = ("0", "§")


@dataclass(frozen=True, slots=True)
class QueryToken:
    """One vector of a query.

    Attributes:
        vector: its place among the query's vectors.
        text: of its token.
        is_own: the token stands for a part of the query itself.
    """

    vector: int
    text: str
    is_own: bool


def query_tokens(llm: LLM, query: str, ids: Sequence[int], places: Sequence[int]) -> list[QueryToken]:
    """Return the tokens of a query's vectors.

    Args:
        llm: the model.
        query: as the user gave it.
        ids: all tokens that the model read.
        places: in `ids`, of the token of each vector.
    """
    from cenote.engine.token_view import view_tokens
    from cenote.types import Prompt

    layouts = [view_tokens(llm, Prompt(text=text), role="query").ids for text in _OTHERS if text != query]
    first = min(_shared(ids, layout) for layout in layouts)
    last = len(ids) - min(_shared(ids[::-1], layout[::-1]) for layout in layouts)
    tokenizer = llm.get_tokenizer()
    specials = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    while last > first and ids[last - 1] in specials:
        last -= 1  # where queries are filled up to a length, their ends do not stand below each other
    text, ends = _spelled(lambda part: tokenizer.decode(part, clean_up_tokenization_spaces=False), ids)
    begins = [0, *ends]
    return [
        QueryToken(vector, text[begins[place] : ends[place]], first <= place < last)
        for vector, place in enumerate(places)
    ]


def choose_tokens(tokens: Sequence[QueryToken], wanted: str) -> list[QueryToken]:
    """Return the token of a number, counted from 0, or those that a word of the query itself consists of.

    Raises:
        InvalidRequest: there is no such token; the message lists all.
    """
    if wanted.isdecimal() and int(wanted) < len(tokens):
        return [tokens[int(wanted)]]
    word = wanted.strip().casefold()
    own = [token for token in tokens if token.is_own]
    first = "".join(token.text for token in own).casefold().find(word) if word else -1
    found, end = [], 0
    for token in own:
        begin, end = end, end + len(token.text.casefold())
        if first <= begin < first + len(word) or begin < first < end:
            found.append(token)
    if first < 0:
        known = ", ".join(f"{token.vector} {token.text.strip()!r}" for token in own)
        raise InvalidRequest(f"The query has no token {wanted!r:.80}. Its tokens are: {known:.800}.", param="token")
    return found


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many items two sequences begin with in common."""
    pairs: Iterable[tuple[int, int]] = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _spelled(decode: Callable[[Sequence[int]], str], ids: Sequence[int]) -> tuple[str, list[int]]:
    """Return the text of tokens, and where each one ends in it.

    A token that ends within a character, as those of bytes may, ends before it.
    """
    ends = [len(decode(ids[: place + 1]).rstrip("\ufffd")) for place in range(len(ids))]
    return decode(ids), ends
