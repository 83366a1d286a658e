"""Prompts in parts: long token lists cut into chunks, and texts whose chunks are pooled one by one.

Source of late chunking: Günther et al. 2024, "Late Chunking: Contextual Chunk Embeddings Using Long-Context Embedding
Models" (arXiv:2409.04701), and its reference implementation (github.com/jina-ai/late-chunking, `_extend_special_tokens`
and `_embed_with_overlap` of chunked_eval_tasks.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from tokenizers import Encoding

from cenote.errors import InvalidRequest, PromptTooLong
from cenote.inputs.content import ContentTokenizer
from cenote.inputs.specials import SpecialTokens
from cenote.types import PreparedInput, Prompt

__all__ = ["cut_tokens", "cut_windows", "encode_chunks"]

#: Windows over a long document share as many tokens as the reference implementation's by default, or this part of
#: the model's limit where that is less.
_OVERLAP, _OVERLAP_PART = 256, 4


def encode_chunks(
    content: ContentTokenizer, specials: SpecialTokens, prompt: Prompt, *, size: int, prefix: str = ""
) -> PreparedInput:
    """Tokenise a text as one, and find the tokens of each of its chunks.

    A token belongs to the chunk in which its first character stands. Tokens of the prefix and special tokens in front
    belong to the first chunk, special tokens behind to the last, as in the reference implementation.

    Args:
        content: tokenises without special tokens.
        specials: put around the text.
        prompt: has a text and its `chunk_ends`.
        size: most tokens of one chunk; the text may have more.
        prefix: text in front of the first chunk.

    Raises:
        InvalidRequest: no token begins in some chunk.
        PromptTooLong: some chunk has more than `size` tokens.
    """
    encoding: Encoding = content.rust.encode(prefix + (prompt.text or ""), add_special_tokens=False)
    counts = _count_tokens(encoding.offsets, [len(prefix) + end for end in prompt.chunk_ends])
    borders = [len(specials.head) + count for count in accumulate(counts, initial=0)]
    ids = (*specials.head, *encoding.ids, *specials.tail)
    borders[0], borders[-1] = 0, len(ids)
    prepared = PreparedInput(token_ids=ids, spans=tuple(pairwise(borders)))
    _check_chunks(counts, prepared.spans, size)
    return prepared


def _count_tokens(offsets: Sequence[tuple[int, int]], ends: Sequence[int]) -> list[int]:
    """Count the tokens that begin in each chunk, the chunks ending at the characters `ends`."""
    counts = [0] * len(ends)
    # Tokenizers that write a character as several tokens, or normalise, may report places that step back a little.
    for place in accumulate((start for start, _ in offsets), max):
        counts[min(bisect_right(ends, place), len(ends) - 1)] += 1
    return counts


def _check_chunks(counts: Sequence[int], spans: Sequence[tuple[int, int]], size: int) -> None:
    for index, (count, (start, end)) in enumerate(zip(counts, spans, strict=True)):
        if count == 0:
            raise InvalidRequest(
                f"Chunk {index} has no tokens: it is empty, white space, or within a token that begins before it. Join "
                "it to its neighbour.",
                param="documents",
            )
        if end - start > size:
            raise PromptTooLong(
                f"Chunk {index} has {end - start} tokens, but this model takes at most {size}. Cut it up further.",
                param="documents",
            )


def cut_tokens(prompt: PreparedInput, size: int) -> list[PreparedInput]:
    """Cut a prompt after every `size` tokens: no overlap, and no special tokens but those that are there.

    Source: python-api.md section 17, as vLLM's chunked processing.

    Raises:
        PromptTooLong: it has media, whose tokens cannot be told apart.
    """
    if prompt.media is not None:
        text = (
            f"The prompt has {len(prompt)} tokens with its media, more than the {size} of this model; only text is cut."
        )
        raise PromptTooLong(text, param="multi_modal_data")
    return [_part(prompt, start, min(start + size, len(prompt))) for start in range(0, len(prompt), size)]


def cut_windows(prompt: PreparedInput, size: int, overlap: int | None = None) -> list[PreparedInput]:
    """Cut a prompt with spans into windows that each hold whole spans, in order, behind some tokens of context.

    This is "long late chunking" (section 4.2 of the paper) with windows that end where a chunk ends, so that every
    chunk is pooled from one window. The tokens that a window shares with the one before are context only. Where a
    chunk leaves no room for all of them, there are fewer.

    Args:
        prompt: its spans follow each other without a gap, and none has more than `size` tokens.
        size: most tokens of a window.
        overlap: tokens of context; None is 256, or a quarter of `size` where that is less.
    """
    context = min(_OVERLAP, size // _OVERLAP_PART) if overlap is None else min(overlap, size - 1)
    windows: list[PreparedInput] = []
    first = 0
    while first < len(prompt.spans):
        begin = max(0, prompt.spans[first][0] - context)
        fitting = bisect_right(prompt.spans, begin + size, lo=first, key=lambda span: span[1])
        if fitting == first:  # less context makes room for the span
            begin = max(0, prompt.spans[first][1] - size)
            fitting += 1
        window = prompt.spans[first:fitting]
        windows.append(_part(prompt, begin, window[-1][1], window))
        first = fitting
    return windows


def _part(prompt: PreparedInput, start: int, end: int, spans: Sequence[tuple[int, int]] = ()) -> PreparedInput:
    types = prompt.token_type_ids
    return replace(
        prompt,
        token_ids=prompt.token_ids[start:end],
        token_type_ids=None if types is None else types[start:end],
        pooling_skip=max(0, min(prompt.pooling_skip, end) - start),
        truncated_tokens=0,
        spans=tuple((begin - start, last - start) for begin, last in spans),
    )
