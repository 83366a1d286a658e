"""Repairs: raw configs of checkpoints made for their own code, translated into what transformers understands.

A spec names one as `config_repair="cenote.checkpoints.repairs.nomic:repair_nomic"`. A repair takes and returns a
plain mapping, changes nothing in place, returns configs that need no repair as they are, and refuses with
`CheckpointError` what the native class would compute differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cenote.errors import CheckpointError

__all__ = ["refuse_unless"]


def refuse_unless(config: Mapping[str, Any], model: str, allowed: Mapping[str, Sequence[Any]]) -> None:
    """Raise where a key of the config has a value that the native class does not implement.

    Args:
        config: the raw config.
        model: what to call the family in the message.
        allowed: per key the values that are fine; a missing key always is.

    Raises:
        CheckpointError: names the first key that does not fit.
    """
    for key, values in allowed.items():
        if key in config and config[key] not in values:
            known = " or ".join(repr(value) for value in values)
            raise CheckpointError(
                f"This {model} checkpoint has {key} = {config[key]!r}; transformers' {model} class computes only "
                f"{known}. Install a plugin for this model."
            )
