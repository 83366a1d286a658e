"""STEP pooling: the tokens that end a step of reasoning, and the columns that judge it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from cenote.config import PoolerConfig
from cenote.errors import InvalidRequest
from cenote.types import PoolingRow

__all__ = ["StepRows", "choose_steps"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRows:
    """Keeps some columns, then the rows of one token.

    Attributes:
        tag_id: token whose rows are kept where a request does not say; None keeps all.
        columns: columns that are kept where a request does not say; None keeps all.

    Source: STEP pooling of vLLM 0.32, which process reward models such as Qwen2.5-Math-PRM need.
    """

    tag_id: int | None = None
    columns: tuple[int, ...] | None = None

    def select(self, values: Tensor, row: PoolingRow) -> Tensor:
        """Return [kept tokens, kept columns] of one prompt's [tokens, columns].

        Raises:
            InvalidRequest: a column that the model does not have.
        """
        values = self.columns_of(values, row)
        rows = self.rows_of(row)
        return values if len(rows) == row.length else values[rows.to(values.device)]

    def columns_of(self, values: Tensor, row: PoolingRow) -> Tensor:
        """Return [tokens, kept columns] of one prompt's [tokens, columns].

        Raises:
            InvalidRequest: a column that the model does not have.
        """
        columns = row.params.returned_token_ids if row.params.returned_token_ids is not None else self.columns
        if columns is None:
            return values
        _check_columns(columns, values.shape[-1])
        return values[:, list(columns)]

    def rows_of(self, row: PoolingRow) -> Tensor:
        """Return the places [kept] of one prompt's tokens whose rows are kept, int64."""
        tag = row.params.step_tag_id if row.params.step_tag_id is not None else self.tag_id
        if tag is None:
            return torch.arange(row.length)
        return (torch.tensor(row.token_ids) == tag).nonzero().flatten()


def _check_columns(columns: Collection[int], width: int) -> None:
    """Raise InvalidRequest where a column is not one of `width`."""
    wrong = [column for column in columns if not 0 <= column < width]
    if wrong or not columns:
        found = f"has {', '.join(map(str, wrong))}" if wrong else "is empty"
        raise InvalidRequest(
            f"returned_token_ids {found}; this model gives columns 0 to {width - 1}.", param="returned_token_ids"
        )


def choose_steps(wanted: PoolerConfig, own: StepRows | None = None) -> StepRows | None:
    """Return how tokens are pooled by steps; None is one row per token.

    Args:
        wanted: the user's settings, which win.
        own: the model's own way.
    """
    if wanted.tok_pooling_type == "ALL" or (wanted.tok_pooling_type is None and own is None):
        return None
    own = own or StepRows()
    return StepRows(
        tag_id=own.tag_id if wanted.step_tag_id is None else wanted.step_tag_id,
        columns=own.columns if wanted.returned_token_ids is None else wanted.returned_token_ids,
    )
