"""The published `config.json` of jina-embeddings-v3, which names no model type, for transformers and for tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cenote.checkpoints.repairs import refuse_unless
from cenote.errors import CheckpointError

__all__ = ["TaskSettings", "repair_config"]

#: What transformers' class computes, and what follows it here.
_IMPLEMENTED: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("rotary",),
    "hidden_act": ("gelu",),
    "emb_pooler": (None, "mean"),
    "truncate_dim": (None,),
    "load_trained_adapters": (True,),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
}
#: Base of the rotary frequencies where a config names none, in the model's own configuration class.
_DEFAULT_BASE = 10000.0


def repair_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config for transformers' `jina_embeddings_v3`.

    The base of the rotary frequencies is passed on, which transformers' class would take for 20000 whatever the file
    says.

    Raises:
        CheckpointError: the model has parts that transformers' class lacks.

    Source: the configuration class that the checkpoint names (jinaai/xlm-roberta-flash-implementation), whose default
    base is 10000.
    """
    refuse_unless(config, "jina-embeddings-v3", _IMPLEMENTED)
    base = config.get("rotary_emb_base", _DEFAULT_BASE)
    if isinstance(base, bool) or not isinstance(base, int | float) or base <= 1:
        raise CheckpointError(f"rotary_emb_base must be a number above 1, found {base!r}.")
    rope = config.get("rope_parameters") or {"rope_type": "default", "rope_theta": float(base)}
    return {**config, "model_type": "jina_embeddings_v3", "rope_parameters": rope}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """The tasks of a checkpoint.

    Attributes:
        names: in the order of the adapters in the weight file.
        scale: factor of every low-rank product.
        rank: of the products.
        instructions: text that each task puts in front; "" for none.
    """

    names: tuple[str, ...]
    scale: float
    rank: int
    instructions: Mapping[str, str]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> TaskSettings:
        """Read the settings from `config.json`.

        Raises:
            CheckpointError: a key is missing or has a value of another kind.
        """
        names, rank, alpha = (config.get(key) for key in ("lora_adaptations", "lora_rank", "lora_alpha"))
        if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
            raise CheckpointError(f"config.json must name the tasks in lora_adaptations, found {names!r}.")
        if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
            raise CheckpointError(f"config.json has lora_rank = {rank!r} and lora_alpha = {alpha!r}; both are numbers.")
        texts = config.get("task_instructions") or {}
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise CheckpointError(f"config.json must map tasks to texts in task_instructions, found {texts!r}.")
        return cls(tuple(names), alpha / rank, rank, {name: texts.get(name, "") for name in names})
