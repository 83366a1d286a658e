"""`/v1/load_lora_adapter` and `/v1/unload_lora_adapter`: change the low-rank adapters of a running server.

Both are off unless the operator sets `enable_runtime_lora_updating`, or names the routes `lora-admin`: a client can
then make the server read folders.
"""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from cenote.errors import CheckpointError, InvalidRequest, MissingDependency, ModelNotFound
from cenote.server.api_error import ApiError
from cenote.server.body import read_json, validate
from cenote.server.models import ServedModel
from cenote.server.openapi import json_body_schema
from cenote.server.route_context import RouteContext
from cenote.server.state import ServerState, state_of
from cenote.server.text import show

__all__ = ["LoadLora", "UnloadLora", "lora_admin_routes"]

M = TypeVar("M", bound=BaseModel)

_log = logging.getLogger(__name__)
_PATH = re.compile(r"(?<![\w.:/])/[^\s'\",;]+")


class LoadLora(BaseModel):
    """Body of `/v1/load_lora_adapter`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    lora_name: str = Field(min_length=1, max_length=200, description="Name of the adapter, which serves as model.")
    lora_path: str = Field(min_length=1, description="Folder on the server, in peft's format.")
    load_inplace: bool = Field(default=False, description="Replace an adapter of the same name.")
    is_3d_lora_weight: bool = Field(default=False, description="Not offered; must be false.")
    model: str | None = Field(default=None, description="The served model to load it for; none is the first.")


class UnloadLora(BaseModel):
    """Body of `/v1/unload_lora_adapter`."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    lora_name: str = Field(min_length=1, description="Name of the adapter.")
    lora_int_id: int | None = Field(default=None, description="Accepted for compatibility, unused.")


def lora_admin_routes(context: RouteContext) -> APIRouter:
    """Return the routes, for servers whose operator offers them; the set of routes `lora-admin`."""
    del context
    router = APIRouter(tags=["lora"])
    example = {"lora_name": "law", "lora_path": "adapters/law"}
    extra = json_body_schema(LoadLora, example=example, media=["text/plain"])

    @router.post("/v1/load_lora_adapter", summary="Load a low-rank adapter", openapi_extra=extra)
    async def load(request: Request) -> Response:
        return await _load(request, await _read(request, LoadLora))

    extra = json_body_schema(UnloadLora, example={"lora_name": "law"}, media=["text/plain"])

    @router.post("/v1/unload_lora_adapter", summary="Drop a low-rank adapter", openapi_extra=extra)
    async def unload(request: Request) -> Response:
        return await _unload(request, await _read(request, UnloadLora))

    return router


async def _read(request: Request, model: type[M]) -> M:
    data = await read_json(request)
    try:
        return await validate(data, model)
    except ApiError as exc:
        raise _refused(str(exc.detail), exc.param) from exc


async def _load(request: Request, body: LoadLora) -> Response:
    state = state_of(request)
    model = _base_model(state, body.model)
    _check_name(state, model, body)
    if body.is_3d_lora_weight:
        raise _refused("is_3d_lora_weight is not offered: cenote runs adapters of matrices only.", "is_3d_lora_weight")
    folder = _folder(body.lora_path, state.config.allowed_lora_paths)
    try:
        await asyncio.to_thread(model.engine.load_lora, body.lora_name, str(folder), replace=body.load_inplace)
    except InvalidRequest as exc:
        if exc.param == "lora_name":
            raise _refused(str(exc), exc.param) from exc
        raise
    except (CheckpointError, MissingDependency) as exc:
        _log.warning("the low-rank adapter %r was not loaded: %s", body.lora_name, exc)
        raise ApiError(500, "InternalServerError", _without_paths(str(exc), folder, body.lora_path)) from exc
    _log.info("loaded the low-rank adapter %r for %r", body.lora_name, model.name)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' added successfully.")


async def _unload(request: Request, body: UnloadLora) -> Response:
    name = body.lora_name
    model = next((model for model in state_of(request).models if name in model.engine.lora_names), None)
    if model is None:
        raise ModelNotFound(f"There is no low-rank adapter {show(name)}.")
    await asyncio.to_thread(model.engine.unload_lora, name)
    _log.info("dropped the low-rank adapter %r of %r", name, model.name)
    return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.")


def _refused(text: str, param: str | None) -> ApiError:
    return ApiError(400, "InvalidUserInput", text, param=param)


def _base_model(state: ServerState, name: str | None) -> ServedModel:
    model = state.models.resolve(name)
    if model.lora is not None:
        raise _refused(f"{show(name)} is a low-rank adapter itself; name a model.", "model")
    return model


def _check_name(state: ServerState, model: ServedModel, body: LoadLora) -> None:
    """Refuse a name that already chooses something else: adapters and models share the field `model`."""
    name = body.lora_name
    if state.models.has_model(name):
        raise _refused(f"{show(name)} is the name of a served model; give the adapter another one.", "lora_name")
    owner = next((other for other in state.models if name in other.engine.lora_names), None)
    if owner is None or (owner.engine is model.engine and body.load_inplace):
        return
    hint = "set load_inplace to replace it" if owner.engine is model.engine else "give this one another name"
    raise _refused(f"A low-rank adapter {show(name)} is loaded already, for {owner.name!r}; {hint}.", "lora_name")


def _folder(path: str, allowed: tuple[str, ...]) -> Path:
    """Return the folder that a client names, links resolved.

    Raises:
        ApiError: 400 outside what the operator allows, whether or not anything is there; 404 where there is no folder.
    """
    missing = ApiError(404, "NotFoundError", f"The server has no folder {show(path)}.", param="lora_path")
    try:
        folder = Path(path).resolve()
        if allowed and not any(folder.is_relative_to(Path(root).resolve()) for root in allowed):
            raise _refused(f"{show(path)} is not in a place where this server takes adapters from.", "lora_path")
        if folder.is_dir():
            return folder
    except (OSError, ValueError, RuntimeError) as exc:  # too long, a NUL in it, links in a circle
        raise missing from exc
    raise missing


def _without_paths(text: str, folder: Path, given: str) -> str:
    """Return a message with the folder as the client wrote it, and no other path of the server."""
    mark = "\0"
    return _PATH.sub("…", text.replace(str(folder), mark)).replace(mark, given)
