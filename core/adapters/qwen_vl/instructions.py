"""Prompts that say in a system message what an embedding is for, as Qwen3-VL-Embedding reads them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from cenote.adapters.qwen_vl.layouts import Layout, Layouts
from cenote.inputs.specials import find_special_tokens
from cenote.types import Role

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["DEFAULT_INSTRUCTION", "instructed_layouts", "punctuated", "special_texts"]

DEFAULT_INSTRUCTION = "Represent the user's input."
_ROLES: tuple[Role, ...] = ("query", "document")


def punctuated(instruction: str) -> str:
    """Return an instruction without white space around, and with a full stop where it ends without punctuation.

    Source: `format_model_input` of `qwen3_vl_embedding.py`.
    """
    instruction = instruction.strip()
    if instruction and not unicodedata.category(instruction[-1]).startswith("P"):
        instruction += "."
    return instruction or DEFAULT_INSTRUCTION


def instructed_layouts(instruction: str, around: tuple[str, str] = ("", "")) -> Layouts:
    """Return the layouts for an instruction: media, then the text, in the turn of the user.

    Args:
        instruction: what a result is for.
        around: what the tokenizer puts in front of every text and behind it.

    Source: `format_model_input` of `qwen3_vl_embedding.py`, and the chat template of Qwen3-VL, which it fills.
    """
    layout = Layout(
        f"{around[0]}<|im_start|>system\n{punctuated(instruction)}<|im_end|>\n<|im_start|>user\n",
        f"<|im_end|>\n<|im_start|>assistant\n{around[1]}",
    )
    return Layouts(texts=dict.fromkeys(_ROLES, layout), media={"image": Layout()}, stacks=True, empty="NULL")


def special_texts(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """Return what a tokenizer puts around every text; nothing where it is Qwen3-VL's."""
    specials = find_special_tokens(tokenizer.backend_tokenizer)
    head, tail = ("".join(tokenizer.convert_ids_to_tokens(list(ids))) for ids in (specials.head, specials.tail))
    return head, tail
