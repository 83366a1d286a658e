"""What is known of transformers' model families: how they run packed, or why they do not.

Every model is checked at load all the same (`selfcheck`); this table saves trying what is known to fail, and
feeds `docs/models.md`. Findings are from transformers 5.23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from cenote.adapters.padded_families import EQUAL_LENGTHS, PADDED_BECAUSE

__all__ = ["FAMILIES", "Family", "family_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a `model_type` is executed.

    Attributes:
        title: name for people.
        packs: it may run packed (the self-check at load has the last word).
        reason: why it does not pack.
        positions: position ids count from 0, or start after the padding id (RoBERTa's way).
        rows: which sequences may share a padded batch: any, those of equal length, or none.
        mixers: kinds of layers that are replaced to run packed (`mixers`).
    """

    title: str
    packs: bool = True
    reason: str = ""
    positions: Literal["from_zero", "after_padding"] = "from_zero"
    rows: Literal["any", "equal", "single"] = "any"
    mixers: tuple[str, ...] = ()


_BIAS = "its relative position bias is computed for one padded sequence and ignores sequence borders"

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "bert": Family(title="BERT"),
        "electra": Family(title="ELECTRA"),
        "roberta": Family(title="RoBERTa", positions="after_padding"),
        "camembert": Family(title="CamemBERT", positions="after_padding"),
        "xlm-roberta": Family(title="XLM-RoBERTa", positions="after_padding"),
        "distilbert": Family(title="DistilBERT"),
        "modernbert": Family(title="ModernBERT"),
        "nomic_bert": Family(title="Nomic BERT"),
        "gte": Family(title="GTE (new-impl)"),
        "eurobert": Family(title="EuroBERT"),
        "qwen2": Family(title="Qwen2"),
        "qwen3": Family(title="Qwen3"),
        "llama": Family(title="Llama"),
        "mistral": Family(title="Mistral"),
        "gemma": Family(title="Gemma"),
        "gemma2": Family(title="Gemma 2"),
        "gemma3_text": Family(title="Gemma 3 (text)"),
        "mpnet": Family(title="MPNet", packs=False, reason=_BIAS, positions="after_padding"),
        "deberta-v2": Family(title="DeBERTa v2 and v3", packs=False, reason=_BIAS),
        "lfm2": Family(title="LFM2", mixers=("short_conv",)),
        "lfm2_moe": Family(title="LFM2 MoE", mixers=("short_conv",)),
        "lfm3": Family(title="LFM3", mixers=("short_conv",)),
        "qwen3_5": Family(title="Qwen3.5", mixers=("gated_delta",)),
        "qwen3_5_text": Family(title="Qwen3.5 (text)", mixers=("gated_delta",)),
        "qwen3_5_moe": Family(title="Qwen3.5 MoE", mixers=("gated_delta",)),
        "qwen3_5_moe_text": Family(title="Qwen3.5 MoE (text)", mixers=("gated_delta",)),
    }
)

#: What is assumed of a family that the table does not know; the self-check decides.
_UNKNOWN = Family(title="other")


def family_of(model_type: str | None) -> Family:
    """Return what is known of a `model_type`; a cautious default where nothing is."""
    name = model_type or ""
    if name in PADDED_BECAUSE:
        return Family(title=name, packs=False, reason=PADDED_BECAUSE[name], rows=EQUAL_LENGTHS.get(name, "any"))
    return FAMILIES.get(name, _UNKNOWN)
