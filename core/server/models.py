"""The served models and their names, and `/v1/models`."""

from __future__ import annotations

import difflib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response
from typing_extensions import TypedDict

from cenote.errors import InvalidRequest, ModelNotFound
from cenote.inputs.media import media_kind
from cenote.server.openapi import reply_schema
from cenote.server.text import show

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM
    from cenote.types import Prompt

__all__ = ["ModelTable", "ServedModel", "model_cards", "models_router"]

#: Names that a message lists.
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One engine and how clients call it.

    Attributes:
        name: the first of its names, which answers carry.
        aliases: every name that `/v1/models` lists, `name` first.
        engine: what runs it.
        lora: low-rank adapter that a request named in the model's place, or None.
    """

    name: str
    aliases: tuple[str, ...]
    engine: AsyncLLM
    lora: str | None = None

    def offers(self, tasks: Collection[str]) -> bool:
        """Tell whether the model has every one of these tasks."""
        return set(tasks) <= set(self.engine.supported_tasks)

    def reads(self, prompts: Collection[Prompt]) -> bool:
        """Tell whether the model reads every kind of media in some prompts."""
        modalities = self.engine.limits.modalities
        return all(media_kind(item) in modalities for prompt in prompts for item in prompt.media)


class ModelTable:
    """Find models by the names that requests carry; requests that name none go to the first one that can answer."""

    def __init__(
        self, models: Sequence[ServedModel], *, unlisted: Mapping[str, str] | None = None, strict: bool = True
    ) -> None:
        """Build the table.

        Args:
            models: at least one.
            unlisted: further names, each with the name that it stands for; accepted, never shown.
            strict: refuse unknown names, instead of taking them for no name.

        Raises:
            InvalidRequest: nothing to serve, or two models claim one name.
        """
        if not models:
            raise InvalidRequest("A server needs at least one model.")
        self._models = tuple(models)
        self._by_name: dict[str, ServedModel] = {}
        for model in models:
            for alias in model.aliases:
                if self._by_name.setdefault(alias, model) is not model:
                    raise InvalidRequest(f"Two models are called {alias!r}; give them different served names.")
        self._strict = strict
        self.created = int(time.time())
        self.names = tuple(self._by_name)
        for alias, name in (unlisted or {}).items():
            self._by_name.setdefault(alias, self._by_name[name])

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models)

    def has_model(self, name: str) -> bool:
        """Tell whether a model, and not an adapter, has this name."""
        return name in self._by_name

    def resolve(self, name: str | None, can: Callable[[ServedModel], bool] | None = None) -> ServedModel:
        """Return the model of this name, or the one with a low-rank adapter of this name.

        Args:
            name: as in the request; without one it is the first model.
            can: tells whether a model can answer; without a name, the first that can goes before the first of all.

        Raises:
            ModelNotFound: nothing has this name.
            InvalidRequest: low-rank adapters of several models have it.
        """
        found = (self._by_name.get(name) or self._with_lora(name)) if name else None
        if not name or (found is None and not self._strict):
            return next(filter(can or (lambda model: True), self._models), self._models[0])
        if found is None:
            # The likely ones come first, in case that there are too many to name.
            near = difflib.get_close_matches(name[:200], self.names, n=3)
            names = tuple(dict.fromkeys((*near, *self.names)))
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            text = f"The model {show(name)} does not exist. Served: {', '.join(names[:_MOST_NAMES])}{more}."
            raise ModelNotFound(text)
        return found

    def _with_lora(self, name: str) -> ServedModel | None:
        owners = [model for model in self._models if name in model.engine.lora_names]
        if len(owners) > 1:
            text = (
                f"Low-rank adapters of several models are called {show(name)}. Name one of them as model "
                f"({', '.join(owner.name for owner in owners)}), and the adapter as lora."
            )
            raise InvalidRequest(text, param="model")
        return replace(owners[0], name=name, lora=name) if owners else None


class ModelCard(TypedDict):
    """A name that requests may give as `model`."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    parent: str | None
    max_model_len: int | None
    permission: list[dict[str, Any]]


class ModelCards(TypedDict):
    """Body of `/v1/models`."""

    object: Literal["list"]
    data: list[ModelCard]


def models_router() -> APIRouter:
    """Return the route that lists models."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", summary="List the served models", openapi_extra=reply_schema(ModelCards))
    async def list_models(request: Request) -> Response:
        cards = [card for _, card in model_cards(request.app.state.cenote.models)]
        return Response(orjson.dumps({"object": "list", "data": cards}), media_type="application/json")

    return router


def model_cards(table: ModelTable) -> list[tuple[ServedModel, dict[str, Any]]]:
    """Return an entry of `/v1/models` for each name, then for each low-rank adapter, with the model behind it.

    Adapters of several models that have one name are left out: it chooses none of them.
    """
    cards = [(model, _card(alias, model, table.created, None)) for model in table for alias in model.aliases]
    adapters = [(model, name) for model in table for name in model.engine.lora_names]
    owners = Counter(name for _, name in adapters)
    alone = [(model, name) for model, name in adapters if owners[name] == 1]
    return cards + [(model, _card(name, model, table.created, model.name)) for model, name in alone]


def _card(alias: str, model: ServedModel, created: int, parent: str | None) -> dict[str, Any]:
    permission = {
        "id": f"modelperm-{uuid.uuid4().hex}",
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    return {
        "id": alias,
        "object": "model",
        "created": created,
        "owned_by": "cenote",
        "root": model.name,
        "parent": parent,
        "max_model_len": model.engine.limits.max_tokens,
        "permission": [permission],
    }
