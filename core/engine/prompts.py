"""One set of parameters per prompt, from what a call gives for all or for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from cenote.errors import InvalidRequest
from cenote.types import PoolingParams

__all__ = ["Params", "params_per_prompt"]

Params: TypeAlias = PoolingParams | Sequence[PoolingParams] | None


def params_per_prompt(
    params: Params, loras: Sequence[str | None], prompt_name: str | None = None, prompt: str | None = None
) -> list[PoolingParams]:
    """Return one for each prompt, with the call's prompt and adapter where it names none itself.

    Args:
        params: one for all, one per prompt, or None.
        loras: name of each prompt's low-rank adapter, or None.
        prompt_name: stored prompt that the call asks for.
        prompt: text that the call puts in front.

    Raises:
        InvalidRequest: their number is not that of the prompts.
    """
    count = len(loras)
    if params is None or isinstance(params, PoolingParams):
        merged = [params or PoolingParams()] * count
    elif len(params) != count:
        raise InvalidRequest(f"pooling_params has {len(params)} entries for {count} prompts.", param="pooling_params")
    else:
        merged = list(params)
    both = list(zip(merged, loras, strict=True))
    changed = {pair: _with_call(*pair, prompt_name, prompt) for pair in set(both)}
    return [changed[pair] for pair in both]


def _with_call(params: PoolingParams, lora: str | None, prompt_name: str | None, prompt: str | None) -> PoolingParams:
    if lora is not None and params.lora is None:
        params = replace(params, lora=lora)
    if (prompt_name is not None or prompt is not None) and params.prompt is None and params.prompt_name is None:
        params = replace(params, prompt_name=prompt_name, prompt=prompt)
    return params
