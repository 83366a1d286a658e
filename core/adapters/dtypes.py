"""Which number format a model runs in."""

from __future__ import annotations

import torch

from cenote.checkpoints import Checkpoint
from cenote.config import Resolved
from cenote.errors import CheckpointError, InvalidRequest

__all__ = ["check_head_dtype", "resolve_dtype"]

_NAMES = {
    "half": torch.float16,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float": torch.float32,
    "float32": torch.float32,
}


#: Families that overflow in float16. Source: vLLM 0.32, which refuses it for gemma2, gemma3 and glm4.
_UNSTABLE = ("gemma2", "gemma3", "gemma3_text", "glm4")


def check_head_dtype(checkpoint: Checkpoint) -> None:
    """Refuse a `head_dtype` other than float32.

    Raises:
        CheckpointError: the config, or the user's overrides, ask for another one.
    """
    asked = checkpoint.config_value("head_dtype")
    if asked is not None and str(asked).removeprefix("torch.") not in ("float", "float32"):
        raise CheckpointError(
            f"The config has head_dtype {asked!r}, but heads always run in float32. "
            "Leave it out, or override it: hf_overrides={'head_dtype': 'float32'}."
        )


def _check_stable(dtype: torch.dtype, model_type: str | None) -> None:
    if dtype is torch.float16 and model_type in _UNSTABLE:
        raise InvalidRequest(
            f"{model_type} is numerically unstable in float16. Use dtype='bfloat16' or dtype='float32'.", param="dtype"
        )


def resolve_dtype(wanted: str, checkpoint: Checkpoint, device: str) -> Resolved[torch.dtype]:
    """Return the dtype to load a backbone in; heads are float32 whatever it is.

    `auto` keeps what `config.json` says, else what the weights are stored in; float16 on a CPU becomes float32,
    since CPUs compute it slowly and it overflows in places where training used bfloat16.

    Raises:
        CheckpointError: the config names a dtype that is not one of float16, bfloat16 and float32, or a head_dtype
            that is not float32.
        InvalidRequest: it would be float16, which the model is unstable in.
    """
    check_head_dtype(checkpoint)
    if wanted != "auto":
        _check_stable(_NAMES[wanted], checkpoint.model_type)
        return Resolved(_NAMES[wanted], "user")
    named = checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype") or checkpoint.stored_dtype()
    if named is None or str(named).endswith("float64"):
        return Resolved(torch.float32, "pooler_default")
    found = _NAMES.get(str(named).removeprefix("torch."))
    if found is None:
        raise CheckpointError(f"config.json names dtype {named!r}. Choose one with --dtype: {', '.join(_NAMES)}.")
    if found is torch.float16 and device == "cpu":
        return Resolved(torch.float32, "pooler_default")
    _check_stable(found, checkpoint.model_type)
    return Resolved(found, "model_default")
