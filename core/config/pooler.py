"""The user's pooling settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cenote.errors import InvalidRequest

__all__ = ["SEQUENCE_METHODS", "TOKEN_METHODS", "PoolerConfig"]

#: Methods that give one vector per prompt.
SEQUENCE_METHODS = ("CLS", "LAST", "MEAN", "MAX", "MEAN_SQRT_LEN", "WEIGHTED_MEAN")
#: Methods that give one vector per token.
TOKEN_METHODS = ("ALL", "STEP")


class PoolerConfig(BaseModel):
    """How hidden states become results; each field left None is taken from the checkpoint.

    Attributes:
        task: the default task where a request names none.
        pooling_type: shorthand that fills `seq_pooling_type` or `tok_pooling_type`, whichever knows the name.
        seq_pooling_type: one of `SEQUENCE_METHODS`, or several joined with `+` to concatenate their vectors.
        tok_pooling_type: one of `TOKEN_METHODS`.
        use_activation: L2-normalise vectors, or apply the classifier's activation, by default.
        dimensions: cut vectors to this size by default (matryoshka models).
        enable_flash_late_interaction: use the fused kernel of late interaction; False takes the reference one.
        enable_chunked_processing: cut over-long texts into chunks and embed them as the mean of their vectors.
        max_embed_len: longest text that chunking accepts, in tokens; None is no limit.
        logit_mean: subtracted from a classifier's logits; `logit_bias` is its older name.
        logit_sigma: divides them then; not 0.
        step_tag_id: token whose rows STEP pooling keeps by default.
        returned_token_ids: columns that STEP pooling keeps by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str | None = None
    pooling_type: str | None = None
    seq_pooling_type: str | None = None
    tok_pooling_type: Literal["ALL", "STEP"] | None = None
    use_activation: bool | None = None
    dimensions: int | None = Field(default=None, ge=1)
    enable_flash_late_interaction: bool = True
    enable_chunked_processing: bool = False
    max_embed_len: int | None = Field(default=None, ge=1)
    logit_mean: float | None = None
    logit_sigma: float | None = None
    step_tag_id: int | None = Field(default=None, ge=0)
    returned_token_ids: tuple[int, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _normalise_names(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if "normalize" in data:
            raise InvalidRequest("PoolerConfig has no 'normalize'; set use_activation instead.", param="normalize")
        return _split_pooling_type(dict(data))


def _split_pooling_type(data: dict[str, Any]) -> dict[str, Any]:
    shorthand = data.pop("pooling_type", None)
    if shorthand is not None:
        if data.get("seq_pooling_type") or data.get("tok_pooling_type"):
            raise InvalidRequest(
                "PoolerConfig takes pooling_type or seq_pooling_type/tok_pooling_type, not both.", param="pooling_type"
            )
        data["tok_pooling_type" if shorthand in TOKEN_METHODS else "seq_pooling_type"] = shorthand
    if data.get("seq_pooling_type") is not None:
        _check_sequence_methods(str(data["seq_pooling_type"]))
    return data


def _check_sequence_methods(name: str) -> None:
    for part in name.split("+"):
        if part not in SEQUENCE_METHODS:
            known = ", ".join((*SEQUENCE_METHODS, *TOKEN_METHODS))
            raise InvalidRequest(
                f"Unknown pooling type {part!r}. Known, upper case, joined with '+': {known}.", param="pooling_type"
            )
