"""One set of parameters per prompt, from what a call gives for all or for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from cenote.errors import InvalidRequest, WrongType
from cenote.types import PoolingParams

__all__ = ["Params", "check_pooling_params", "params_per_prompt", "with_lora", "with_pool_factor"]

Params: TypeAlias = PoolingParams | Sequence[PoolingParams] | None


def check_pooling_params(params: Any, count: int | None = None, what: str = "prompts") -> Params:
    """Return what was given, provided that it is one set of parameters, or one for each of `count` (None: any number).

    Raises:
        WrongType: it is something else, or holds something else.
        InvalidRequest: their number is another one.
    """
    if params is None or isinstance(params, PoolingParams):
        return params
    if not isinstance(params, Sequence) or isinstance(params, str | bytes):
        text = f"pooling_params must be PoolingParams or a list of them, not {type(params).__name__}."
        raise WrongType(text, param="pooling_params")
    for place, item in enumerate(params):
        if not isinstance(item, PoolingParams):
            text = f"pooling_params[{place}] must be PoolingParams, not {type(item).__name__}."
            raise WrongType(text, param="pooling_params")
    if count is not None and len(params) != count:
        raise InvalidRequest(f"pooling_params has {len(params)} entries for {count} {what}.", param="pooling_params")
    return params


def params_per_prompt(
    params: Params,
    loras: Sequence[str | None],
    prompt_name: str | None = None,
    prompt: str | None = None,
    pool_factor: int | None = None,
) -> list[PoolingParams]:
    """Return one for each prompt, with the call's prompt, adapter and factor where it names none itself.

    Args:
        params: one for all, one per prompt, or None.
        loras: name of each prompt's low-rank adapter, or None.
        prompt_name: stored prompt that the call asks for.
        prompt: text that the call puts in front.
        pool_factor: how far the call merges vectors of tokens.

    Raises:
        InvalidRequest: their number is not that of the prompts, or two adapters are named for one prompt.
    """
    given = check_pooling_params(params, len(loras))
    if given is None or isinstance(given, PoolingParams):
        merged = [given or PoolingParams()] * len(loras)
    else:
        merged = list(given)
    both = list(zip(merged, loras, strict=True))
    changed = {pair: with_pool_factor(_with_call(*pair, prompt_name, prompt), pool_factor) for pair in set(both)}
    return [changed[pair] for pair in both]


def with_lora(params: PoolingParams, lora: str | None) -> PoolingParams:
    """Return parameters with the call's low-rank adapter.

    Raises:
        InvalidRequest: they name another one.
    """
    if lora is None or params.lora == lora:
        return params
    if params.lora is not None:
        text = f"Two low-rank adapters are named for one prompt: {lora!r} and {params.lora!r}."
        raise InvalidRequest(text, param="lora")
    return replace(params, lora=lora)


def with_pool_factor(params: PoolingParams, factor: int | None) -> PoolingParams:
    """Return parameters with the call's `pool_factor` where they have none.

    Raises:
        WrongType: it is no whole number.
        InvalidRequest: it is not positive.
    """
    return params if factor is None or params.pool_factor is not None else replace(params, pool_factor=factor)


def _with_call(params: PoolingParams, lora: str | None, prompt_name: str | None, prompt: str | None) -> PoolingParams:
    params = with_lora(params, lora)
    if (prompt_name is not None or prompt is not None) and params.prompt is None and params.prompt_name is None:
        params = replace(params, prompt_name=prompt_name, prompt=prompt)
    return params
