"""`RouteContext`: what a set of routes may use of the server. Stable; nothing else of the server is public."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import Request

from cenote.inputs import parse_prompts
from cenote.scoring.texts import ScoreSide, score_prompts
from cenote.server.inference import InferenceCall, ScoreCall, check_count, infer, infer_scores
from cenote.server.models import ModelTable, ServedModel
from cenote.server.score_fields import check_items
from cenote.server.score_run import can_score, check_scorer
from cenote.server.state import state_of
from cenote.types import ModelLimits, PoolingParams, PromptType, Role, TokenizationOptions

if TYPE_CHECKING:
    from cenote.outputs import PoolingRequestOutput, ScoringRequestOutput

__all__ = ["RouteContext", "RouteModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteModel:
    """One served model.

    Attributes:
        name: the first of its names, which answers carry.
        names: every name that requests may give.
        adapters: names of its low-rank adapters that are loaded now, which requests may give as well.
        tasks: what it can be asked for.
        default_task: the task where none is named.
        limits: what it accepts and gives.
    """

    name: str
    names: tuple[str, ...]
    adapters: tuple[str, ...]
    tasks: tuple[str, ...]
    default_task: str
    limits: ModelLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteContext:
    """What the host offers to one set of routes, at the start and for every request.

    Attributes:
        name: name of the set, as the operator gave it.
        settings: what the operator set for it: the table `[settings."routes/NAME"]` of the file of plugins.
        log: a logger of its own.
    """

    name: str
    settings: Mapping[str, Any]
    log: logging.Logger
    _table: ModelTable = field(repr=False)

    @property
    def models(self) -> tuple[RouteModel, ...]:
        """Return the served models as they are now, the default one first."""
        return tuple(_model(served) for served in self._table)

    async def run(
        self,
        request: Request,
        prompts: PromptType | Sequence[PromptType],
        *,
        task: str | None = None,
        model: str | None = None,
        params: PoolingParams | None = None,
        role: Role | None = None,
        tokenization: TokenizationOptions | None = None,
    ) -> list[PoolingRequestOutput]:
        """Run a model as the routes of cenote do: within the deadline, until the client leaves, counted in metrics.

        Args:
            request: the one that is being answered.
            prompts: one prompt, or several, in any form that `LLM.encode` takes.
            task: what to compute; None is the default task of the model.
            model: a served name or an adapter's; None is the first model that has the task.
            params: parameters of the task.
            role: what the prompts are for.
            tokenization: how text becomes tokens; by default a text that is too long is an error.

        Returns:
            One result for each prompt, in order.

        Raises:
            ModelNotFound: nothing has the name; 404.
            InvalidRequest: something about the call can never succeed; 400.
            QueueFull: the operator's limits are reached; 429.
            ApiError: 504 beyond the deadline, 503 when the server stops.
            ClientGone: the client left. Like the others, this is for the server, and is best left alone.
        """
        parsed = parse_prompts(prompts)
        check_count(request, parsed)
        wanted = [] if task is None else [task]
        served = self._table.resolve(model, lambda each: each.offers(wanted))
        call = InferenceCall(
            model=served,
            asked_name=model,
            prompts=parsed,
            task=task or served.engine.default_task,
            params=params or PoolingParams(),
            tokenization=tokenization or TokenizationOptions(),
            response_id=self._response_id(request),
            role=role,
        )
        return await infer(request, call)

    async def score(
        self,
        request: Request,
        queries: ScoreSide,
        documents: ScoreSide,
        *,
        model: str | None = None,
        params: PoolingParams | None = None,
        score_type: str | None = None,
        weights: Sequence[float] | None = None,
        tokenization: TokenizationOptions | None = None,
    ) -> list[ScoringRequestOutput]:
        """Score one query with each document, or queries and documents one by one.

        Args:
            request: the one that is being answered.
            queries: one text, or as many as documents; in place of texts also what else `LLM.score` takes.
            documents: one or several.
            model: a served name; None is the first model that can score so.
            params: parameters of scoring.
            score_type: the way of scoring, or several as in `sparse+dense`; None is the model's own.
            weights: of several, in the order dense, sparse, colbert; None is equal ones.
            tokenization: how text becomes tokens; by default a text that is too long is an error.

        Returns:
            One result for each pair, in order.

        Raises:
            ApiError: 501 where the model cannot score; the others as `run`.
            InvalidRequest: the numbers of texts do not fit, or something else can never succeed; 400.
        """
        served = self._table.resolve(model, lambda each: can_score(each, score_type))
        check_scorer(served, score_type)
        left, right = score_prompts(queries, "queries"), score_prompts(documents, "documents")
        for name, side in (("queries", left), ("documents", right)):
            check_items(side, state_of(request).config.max_items_per_request, name)
        call = ScoreCall(
            model=served,
            asked_name=model,
            queries=left,
            documents=right,
            params=params or PoolingParams(),
            tokenization=tokenization or TokenizationOptions(),
            response_id=self._response_id(request),
            score_type=score_type,
            weights=weights,
        )
        return await infer_scores(request, call)

    def _response_id(self, request: Request) -> str:
        return f"{self.name}-{request.state.request_id}"


def _model(served: ServedModel) -> RouteModel:
    engine = served.engine
    return RouteModel(
        name=served.name,
        names=served.aliases,
        adapters=tuple(engine.lora_names),
        tasks=tuple(engine.supported_tasks),
        default_task=engine.default_task,
        limits=engine.limits,
    )
