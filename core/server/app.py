"""Build the ASGI app: state, middleware in order, one router per concern or dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

import cenote
from cenote.config.server import ServerConfig
from cenote.hooks.caller import HookCaller
from cenote.server.auth import KeyBeforeBody, RequireApiKey
from cenote.server.classify import classify_router
from cenote.server.cohere import cohere_router
from cenote.server.cohere_reply import cohere_envelope
from cenote.server.contained import ContainExits
from cenote.server.deprecated import WarnOfDeprecated
from cenote.server.direct import DirectRoutes, direct_routes
from cenote.server.docs import docs_router
from cenote.server.envelopes import Envelope, ErrorWriter
from cenote.server.errors import HANDLED, CatchAll, error_handler
from cenote.server.gate import Gate
from cenote.server.health import health_router
from cenote.server.infinity import infinity_router
from cenote.server.invocations import invocations_router
from cenote.server.limits import LimitBody, LimitHead
from cenote.server.metrics import MeasureRequests, Metrics, metrics_router
from cenote.server.middleware import extra_middleware
from cenote.server.models import ModelTable, ServedModel, models_router
from cenote.server.openai import openai_router
from cenote.server.paths import UnderRootPath
from cenote.server.plugins import plugins_router
from cenote.server.pooling import pooling_router
from cenote.server.request_ids import RequestIds
from cenote.server.rerank import rerank_router
from cenote.server.route_checks import add_route_sets
from cenote.server.route_sets import RouteSet, make_route_sets
from cenote.server.score import score_router
from cenote.server.state import ServerState
from cenote.server.targets import OriginForm
from cenote.server.tei_errors import TEI_ENVELOPES
from cenote.server.tei_routes import tei_router
from cenote.server.tokenize import tokenize_router
from cenote.server.tracing import TraceRequests, start_tracing

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM

__all__ = ["build_app"]

#: Dialects: each gives a router with what the served models can answer.
_DIALECTS = (
    openai_router,
    pooling_router,
    classify_router,
    score_router,
    rerank_router,
    cohere_router,
    tokenize_router,
    tei_router,
    infinity_router,
    invocations_router,
)
#: How dialects write errors, by path; the other paths have the native envelope.
_ENVELOPES: dict[str, Envelope] = TEI_ENVELOPES | dict.fromkeys(
    ("/v1/embed", "/v1/check-api-key", "/v1/tokenize", "/v1/detokenize"), cohere_envelope
)


def build_app(
    models: AsyncLLM | Mapping[str, AsyncLLM],
    config: ServerConfig | None = None,
    *,
    served_names: Sequence[str] = (),
    unlisted_names: Mapping[str, str] | None = None,
) -> FastAPI:
    """Build the app that serves one or several engines.

    Args:
        models: an engine, or engines by served name, the default one first. Two names may share an engine.
        config: options of the server.
        served_names: names of a single engine, the one that answers carry first; none is the engine's own name.
        unlisted_names: further names that are accepted but not listed, each with the name that it stands for.

    Returns:
        The app; its state is at `app.state.cenote`.

    Raises:
        InvalidRequest: no model, or one name for two models.
        PluginError: routes that the operator named are not there, broken, or do not fit.
    """
    config = config or ServerConfig()
    served, strict = _served_models(models, served_names), not config.skip_model_name_validation
    table = ModelTable(served, unlisted=unlisted_names, strict=strict)
    hooks = HookCaller.load()
    metrics = Metrics(table, hooks, vllm_names=config.metrics_vllm_names)
    state = ServerState(config=config, models=table, metrics=metrics, hooks=hooks)
    if config.otlp_traces_endpoint is not None:
        state.tracer = start_tracing(config.otlp_traces_endpoint)
        hooks.register(state.tracer, "tracing")
    errors = ErrorWriter(config, _ENVELOPES)
    guard, sets = RequireApiKey(config), make_route_sets(state)
    handle, dialects = error_handler(errors, guard), [dialect(state) for dialect in _DIALECTS]
    direct = Middleware(DirectRoutes, table=direct_routes(dialects), guard=guard, handle=handle)
    app = FastAPI(
        title="cenote",
        version=cenote.__version__,
        summary="Embeddings, scores and labels from pooling models",
        openapi_url=None,  # the framework's own pages need a network, and would have no guard
        dependencies=[Depends(guard)],
        redirect_slashes=False,
        middleware=[*_middleware(state, errors), _early_key(sets, guard, errors), Middleware(ContainExits), direct],
    )
    app.state.cenote = state
    for kind in HANDLED:
        app.add_exception_handler(kind, handle)
    shared = (models_router(), plugins_router(), health_router(), metrics_router())
    # Routes are tried one by one: those of which speed is asked come first.
    routers: tuple[APIRouter, ...] = (*dialects, *shared)
    for router in routers:
        app.include_router(router)
    if not config.disable_fastapi_docs:
        described = [route for router in routers for route in router.routes]
        described += [route for each in sets for route in each.routes]
        app.include_router(docs_router(app, config, errors, described))
    add_route_sets(app, sets)
    return app


def _early_key(sets: Sequence[RouteSet], guard: RequireApiKey, errors: ErrorWriter) -> Middleware:
    patterns = [route.path_regex for each in sets for route in each.routes]
    return Middleware(KeyBeforeBody, guard=guard, errors=errors, patterns=patterns)


def _served_models(models: AsyncLLM | Mapping[str, AsyncLLM], names: Sequence[str]) -> list[ServedModel]:
    if not isinstance(models, Mapping):
        aliases = tuple(dict.fromkeys(names)) or (models.model,)
        return [ServedModel(aliases[0], aliases, models)]
    by_engine: dict[int, list[str]] = {}
    for name, engine in models.items():
        by_engine.setdefault(id(engine), []).append(name)
    return [ServedModel(names[0], tuple(names), models[names[0]]) for names in by_engine.values()]


def _middleware(state: ServerState, errors: ErrorWriter) -> list[Middleware]:
    """Return the middleware, outermost first: what measures and names sees also what the inner ones refuse."""
    config = state.config
    stack = [
        Middleware(UnderRootPath, root_path=config.root_path),
        *([] if state.tracer is None else [Middleware(TraceRequests, tracer=state.tracer)]),
        Middleware(MeasureRequests, metrics=state.metrics),
        Middleware(RequestIds),
        Middleware(CatchAll, errors=errors),
        Middleware(LimitHead, config=config, errors=errors),
        Middleware(OriginForm),
    ]
    if config.allowed_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=config.allowed_origins,
            allow_methods=config.allowed_methods,
            allow_headers=config.allowed_headers,
            allow_credentials=config.allow_credentials,
            expose_headers=["X-Request-Id", "metadata"],
        )
        stack.append(cors)
    if config.accept_deprecated_fields:
        stack.append(Middleware(WarnOfDeprecated))
    stack += extra_middleware(config)
    return [*stack, Middleware(Gate, state=state, errors=errors), Middleware(LimitBody, config=config)]
