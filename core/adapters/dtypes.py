"""Which number format a model runs in."""

from __future__ import annotations

import torch

from cenote.checkpoints import Checkpoint
from cenote.config import Resolved
from cenote.errors import CheckpointError

__all__ = ["resolve_dtype"]

_NAMES = {
    "half": torch.float16,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float": torch.float32,
    "float32": torch.float32,
}


def resolve_dtype(wanted: str, checkpoint: Checkpoint, device: str) -> Resolved[torch.dtype]:
    """Return the dtype to load a backbone in; heads are float32 whatever it is.

    `auto` keeps what `config.json` says, else what the weights are stored in; float16 on a CPU becomes float32,
    since CPUs compute it slowly and it overflows in places where training used bfloat16.

    Raises:
        CheckpointError: the config names a dtype that is not one of float16, bfloat16 and float32.
    """
    if wanted != "auto":
        return Resolved(_NAMES[wanted], "user")
    named = checkpoint.config.get("dtype") or checkpoint.config.get("torch_dtype") or checkpoint.stored_dtype()
    if named is None or str(named).endswith("float64"):
        return Resolved(torch.float32, "pooler_default")
    found = _NAMES.get(str(named).removeprefix("torch."))
    if found is None:
        raise CheckpointError(f"config.json names dtype {named!r}. Choose one with --dtype: {', '.join(_NAMES)}.")
    if found is torch.float16 and device == "cpu":
        return Resolved(torch.float32, "pooler_default")
    return Resolved(found, "model_default")
