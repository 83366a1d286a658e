"""Sets of routes that plugins offer: loaded where they are named, guarded like all routes, refused with reasons."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, HTTPException, Request
from openapi_spec_validator import validate
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from cenote.config.server import ServerConfig
from cenote.engine import AsyncLLM
from cenote.errors import CheckpointError, InvalidRequest, PluginError, UnknownPlugin
from cenote.registry import default_registry
from cenote.server import build_app, check_options
from cenote.server.auth import open_to_all
from cenote.server.route_context import RouteContext
from cenote.server.route_sets import check_factory
from cenote.types import PoolingParams

GROUP = "cenote.routes"
DISTRIBUTION = {"distribution": "cenote-hello", "version": "0.1.0"}


class Ask(BaseModel):
    """Body of the routes under test."""

    texts: list[str]
    model: str | None = None
    task: str | None = None


async def _note(request: Request) -> None:
    request.state.noted = True


def hello_routes(context: RouteContext) -> APIRouter:
    """Everything that a set of routes may do."""
    router = APIRouter(prefix="/hello", tags=["hello"], dependencies=[Depends(_note)])

    @router.get("/models")
    async def models(request: Request) -> Any:
        return {
            "noted": request.state.noted,
            "set": context.name,
            "models": [
                {"names": each.names, "tasks": each.tasks, "default": each.default_task, "most": each.limits.max_tokens}
                for each in context.models
            ],
        }

    @router.post("/embed")
    async def embed(request: Request, ask: Ask) -> Any:
        params = PoolingParams(use_activation=False)
        outputs = await context.run(request, ask.texts, task=ask.task, model=ask.model, params=params, role="query")
        return {
            "ids": [each.request_id for each in outputs],
            "vectors": [each.outputs.data.tolist() for each in outputs],
        }

    @router.post("/nearest")
    async def nearest(request: Request, ask: Ask) -> Any:
        return [each.outputs.score for each in await context.score(request, ask.texts[0], ask.texts[1:])]

    @router.post("/mixed")
    async def mixed(request: Request, ask: Ask) -> Any:
        query, *texts = ask.texts
        outputs = await context.score(request, query, texts, score_type="colbert+dense", weights=[0, 1])
        return [each.outputs.score for each in outputs]

    @router.get("/fails/{kind}")
    async def fails(kind: str) -> None:
        raise {
            "invalid": InvalidRequest("Too blue.", param="color"),
            "hidden": CheckpointError("/secret/folder is empty"),
            "unexpected": RuntimeError("/secret/file broke"),
            "http": HTTPException(404, "There is no such hello."),
        }[kind]

    return router


@pytest.fixture
def offer() -> Iterator[Callable[..., None]]:
    """Register factories for the time of a test."""
    with contextlib.ExitStack() as stack:

        def add(name: str, factory: object, **more: str) -> None:
            stack.callback(default_registry().register(GROUP, name, factory, **{**DISTRIBUTION, **more}))

        yield add


@pytest.fixture(scope="module")
def hello(start_server: Any) -> Iterator[httpx.Client]:
    """A server with the routes `hello`, and a second set of routes that is not named."""
    registry = default_registry()
    with contextlib.ExitStack() as stack:
        factories = {"hello": hello_routes, "unnamed": unnamed_routes}
        take_back = [registry.register(GROUP, name, each, **DISTRIBUTION) for name, each in factories.items()]
        options = {"routes": ("hello",), "max_items_per_request": 5, "max_body_bytes": 10_000}
        running = stack.enter_context(start_server(names=("m", "n"), **options))
        for each in take_back:  # sets are made once, when the server is built
            each()
        yield stack.enter_context(httpx.Client(base_url=running.url, timeout=60))


def unnamed_routes(context: RouteContext) -> APIRouter:
    raise AssertionError("nobody named these routes")


def error(answer: httpx.Response) -> tuple[int, str, Any]:
    found = answer.json()["error"]
    return answer.status_code, found["message"], found["param"]


def test_a_set_reads_the_facts_of_the_models(hello: httpx.Client, engine: AsyncLLM) -> None:
    answer = hello.get("/hello/models").json()
    assert (answer["noted"], answer["set"]) == (True, "hello")
    expected = {"tasks": list(engine.supported_tasks), "default": "embed", "most": engine.limits.max_tokens}
    assert answer["models"] == [{"names": ["m", "n"], **expected}]


def test_a_set_runs_the_model_as_the_servers_own_routes_do(hello: httpx.Client) -> None:
    answer = hello.post("/hello/embed", json={"texts": ["a", "b c"]}, headers={"X-Request-Id": "7"}).json()
    own = hello.post("/pooling", json={"input": ["a", "b c"], "use_activation": False}).json()
    assert answer["ids"] == ["hello-7-0", "hello-7-1"]
    for ours, theirs in zip(own["data"], answer["vectors"], strict=True):
        assert theirs == pytest.approx(ours["data"], abs=1e-6)
    scores = hello.post("/hello/nearest", json={"texts": ["a", "a", "b c"]}).json()
    own = hello.post("/score", json={"queries": "a", "documents": ["a", "b c"]}).json()
    assert scores == pytest.approx([each["score"] for each in own["data"]], abs=1e-6)
    mixed = hello.post("/hello/mixed", json={"texts": ["a", "a", "b c"]}).json()
    own = hello.post("/score", json={"queries": "a", "documents": ["a", "b c"], "score_type": "colbert"}).json()
    assert mixed == pytest.approx([each["score"] for each in own["data"]], abs=1e-5)


def test_what_a_set_asks_of_the_model_is_refused_as_everywhere(hello: httpx.Client) -> None:
    refusals = {
        "the model is unknown": ({"texts": ["a"], "model": "none"}, 404, None),
        "the task is unknown": ({"texts": ["a"], "task": "classify"}, 400, "task"),
        "nothing to run": ({"texts": []}, 400, "input"),
        "too many": ({"texts": ["a"] * 6}, 400, "input"),
        "too long": ({"texts": ["a " * 2000]}, 400, "input_tokens"),
        "its own field is missing": ({}, 400, None),
    }
    for name, (body, status, param) in refusals.items():
        answer = hello.post("/hello/embed", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), (name, answer.text)
    answer = hello.post("/hello/nearest", json={"texts": ["a"] * 7})
    assert error(answer) == (400, "documents has 6 elements; at most 5 are allowed.", "documents")
    assert hello.post("/hello/embed", json={"texts": ["x" * 20_000]}).status_code == 413


def test_errors_of_a_set_go_through_the_table_and_tell_nothing_of_the_server(
    hello: httpx.Client, server_log: pytest.LogCaptureFixture
) -> None:
    hidden = "The server failed to answer this request. Its log has the reason, under this X-Request-Id."
    assert error(hello.get("/hello/fails/invalid")) == (400, "Too blue.", "color")
    assert error(hello.get("/hello/fails/hidden")) == (500, hidden, None)
    assert error(hello.get("/hello/fails/unexpected")) == (500, hidden, None)
    assert error(hello.get("/hello/fails/http")) == (404, "There is no such hello.", None)
    assert error(hello.get("/hello/none")) == (404, "There is no route GET /hello/none.", None)
    assert hello.delete("/hello/models").status_code == 405
    assert "/secret/file broke" in server_log.text


def test_the_routes_are_counted_and_described(hello: httpx.Client) -> None:
    hello.post("/hello/embed", json={"texts": ["a"]})
    metrics = hello.get("/metrics").text
    assert 'cenote:http_requests_total{handler="/hello/embed",method="POST",status="200"}' in metrics
    document = hello.get("/openapi.json").json()
    validate(document)
    operation = document["paths"]["/hello/embed"]["post"]
    assert operation["tags"] == ["hello"]
    assert {"200", "4XX", "5XX"} == operation["responses"].keys()


def test_routes_that_nobody_named_are_absent_though_installed(hello: httpx.Client, server: Any) -> None:
    assert hello.get("/unnamed").status_code == 404
    assert httpx.get(server.url + "/hello/models").status_code == 404


def test_every_route_of_a_set_needs_the_key_before_its_body_is_read(start_server: Any, offer: Any) -> None:
    offer("hello", hello_routes)
    with start_server(routes=("hello",), api_keys=("secret",)) as running:
        url, key = running.url + "/hello", {"Authorization": "Bearer secret"}
        for answer in (
            httpx.get(url + "/models"),
            httpx.post(url + "/embed", content=b"{", headers={"Content-Type": "application/json"}),
            httpx.post(url + "/embed", json={"texts": ["a"]}, headers={"Authorization": "Bearer no"}),
            httpx.get(url + "/fails/invalid"),
        ):
            assert answer.status_code == 401
        assert httpx.get(url + "/models", headers=key).status_code == 200
        assert httpx.post(url + "/embed", json={"texts": ["a"]}, headers=key).status_code == 200
        assert (
            httpx.post(url + "/embed", content=b"{", headers={**key, "Content-Type": "application/json"}).status_code
            == 400
        )


def test_a_set_is_refused_while_the_server_drains(start_server: Any, offer: Any) -> None:
    offer("hello", hello_routes)
    with start_server(routes=("hello",)) as running:
        running.state.in_flight += 1  # or it would stop at once
        running.state.draining = True
        assert httpx.get(running.url + "/hello/models").status_code == 503
        running.state.in_flight -= 1


def test_the_deadline_holds_for_what_a_set_runs(start_server: Any, offer: Any, paused: AsyncLLM) -> None:
    offer("hello", hello_routes)
    with start_server(routes=("hello",), request_timeout=0.2) as running:
        assert httpx.post(running.url + "/hello/embed", json={"texts": ["a"]}).status_code == 504


def refusal(engine: AsyncLLM, *names: str) -> str:
    config = ServerConfig(routes=names)
    with pytest.raises(PluginError) as caught:
        build_app(engine, config)
    return str(caught.value)


def test_unknown_names_say_what_is_installed_and_how_to_install(offer: Any) -> None:
    offer("hello", hello_routes)
    with pytest.raises(UnknownPlugin) as caught:
        check_options(ServerConfig(routes=("helo",)))
    text = str(caught.value)
    assert text.startswith("--routes helo: No cenote.routes 'helo'. Installed: hello, ")
    assert "lora-admin" in text
    assert text.endswith(
        "Install the distribution that offers these routes, or leave the name out; "
        "'cenote plugins' lists what is installed."
    )


def test_two_plugins_of_one_name_are_an_error_that_names_both(offer: Any) -> None:
    offer("hello", hello_routes)
    offer("hello", hello_routes, distribution="cenote-other")
    with pytest.raises(PluginError, match=r"cenote-hello 0\.1\.0 and cenote-other 0\.1\.0"):
        check_options(ServerConfig(routes=("hello",)))


def test_a_plugin_that_cannot_be_imported_is_named_with_the_cause(offer: Any) -> None:
    offer("hello", "cenote_hello_that_is_missing.routes:hello")
    with pytest.raises(PluginError) as caught:
        check_options(ServerConfig(routes=("hello",)))
    assert "'hello' (cenote.routes) of cenote-hello 0.1.0" in str(caught.value)
    assert "No module named 'cenote_hello_that_is_missing'" in str(caught.value)


def test_what_is_no_factory_stops_the_start_before_models_are_loaded(offer: Any) -> None:
    offer("hello", APIRouter())
    with pytest.raises(PluginError) as caught:
        check_options(ServerConfig(routes=("hello",)))
    assert "'hello' (cenote.routes) of cenote-hello 0.1.0 is broken: TypeError: it is a router; name" in str(
        caught.value
    )


def test_a_set_is_told_what_the_operator_set_for_it(
    engine: AsyncLLM, offer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []

    def listens(context: RouteContext) -> APIRouter:
        heard.append(dict(context.settings))
        return _with("/hello")(context)

    file = tmp_path / "plugins.toml"
    file.write_text('[settings."routes/listens"]\ncolor = "blue"\n')
    monkeypatch.setenv("CENOTE_PLUGIN_CONFIG", str(file))
    default_registry().refresh()
    try:
        offer("listens", listens)
        offer("other", listens)
        build_app(engine, ServerConfig(routes=("listens",)))
        build_app(engine, ServerConfig(routes=("other",)))
    finally:
        monkeypatch.undo()
        default_registry().refresh()
    assert heard == [{"color": "blue"}, {}]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (APIRouter(), "it is a router; name a function that takes the context and returns one"),
        ({"a": 1}, "it is no function but {'a': 1}; name one that takes the context and returns a router"),
        (APIRouter, "it is no function but <class 'fastapi.routing.APIRouter'>; name one that takes the context and"),
        (lambda: APIRouter(), "it must take one argument, the context"),
    ],
)
def test_what_is_no_factory_is_refused(target: object, problem: str) -> None:
    with pytest.raises(TypeError) as caught:
        check_factory(target)
    assert str(caught.value).startswith(problem)


def test_a_coroutine_function_is_no_factory() -> None:
    async def factory(context: RouteContext) -> APIRouter:
        return APIRouter()

    with pytest.raises(TypeError, match="it is a coroutine function; routes are made before an event loop runs"):
        check_factory(factory)


def test_a_factory_that_raises_or_gives_something_else_is_named(engine: AsyncLLM, offer: Any) -> None:
    def raises(context: RouteContext) -> APIRouter:
        raise KeyError("color")

    offer("raises", raises)
    offer("empty", lambda context: APIRouter())
    offer("wrong", lambda context: {"a": 1})
    who = "of cenote-hello 0.1.0"
    assert refusal(engine, "raises") == f"The routes 'raises' {who} failed to start: KeyError: 'color'."
    assert refusal(engine, "empty") == f"The routes 'empty' {who} are none: the router is empty."
    text = f"The routes 'wrong' {who} gave dict; a factory of cenote.routes returns a fastapi.APIRouter."
    assert refusal(engine, "wrong") == text


def _with(*paths: str, method: str = "GET") -> Callable[[RouteContext], APIRouter]:
    def factory(context: RouteContext) -> APIRouter:
        router = APIRouter()
        for path in paths:
            router.add_api_route(path, lambda: {"from": context.name}, methods=[method])
        return router

    return factory


def test_lifespans_and_handlers_of_the_start_are_refused_with_advice(engine: AsyncLLM, offer: Any) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        yield

    def started(context: RouteContext) -> APIRouter:
        router = _with("/hello")(context)
        router.on_startup.append(lambda: None)
        return router

    offer("spans", lambda context: APIRouter(lifespan=lifespan))
    offer("starts", started)
    for name in ("spans", "starts"):
        assert refusal(engine, name) == (
            f"The routes {name!r} of cenote-hello 0.1.0 have a lifespan or handlers of start and stop, which cenote "
            "does not call; use the hooks cenote_server_started and cenote_server_stopping."
        )


def test_only_path_operations_of_one_router_are_taken(engine: AsyncLLM, offer: Any) -> None:
    def plain(context: RouteContext) -> APIRouter:
        router = APIRouter()
        router.add_route("/hello", lambda request: PlainTextResponse("hello"))
        return router

    def socket(context: RouteContext) -> APIRouter:
        router = APIRouter()
        router.add_api_websocket_route("/hello", lambda socket: None)
        return router

    offer("plain", plain)
    offer("socket", socket)
    expected = "path operations alone (router.get, router.post, ...), all on one router"
    assert "have a Route, and the server takes " + expected in refusal(engine, "plain")
    assert "have a APIWebSocketRoute, and" in refusal(engine, "socket")


def test_no_plugin_may_open_its_routes_to_all(engine: AsyncLLM, offer: Any) -> None:
    def opened(context: RouteContext) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/hello", open_to_all(lambda: {}))
        return router

    offer("opened", opened)
    text = "The routes 'opened' of cenote-hello 0.1.0 mark /hello as open to all, which no plugin may."
    assert refusal(engine, "opened") == text


@pytest.mark.parametrize(
    ("path", "method"),
    [("/v1/embeddings", "POST"), ("/health", "POST"), ("/pooling", "POST"), ("/v2/embed", "POST"), ("/load", "PUT")],
)
def test_a_route_of_cenote_itself_cannot_be_taken(engine: AsyncLLM, offer: Any, path: str, method: str) -> None:
    offer("taken", _with("/hello", path, method=method))
    assert refusal(engine, "taken") == (
        f"The routes 'taken' of cenote-hello 0.1.0 offer {method} {path}, which is a route of cenote itself. "
        "Leave 'taken' out of --routes."
    )


@pytest.mark.parametrize("path", ["/hello/{name}", "/hello/{other}", "/hello/world"])
def test_two_sets_with_one_route_are_an_error_that_names_both(engine: AsyncLLM, offer: Any, path: str) -> None:
    offer("first", _with("/hello/{name}"))
    offer("second", _with(path), distribution="cenote-other")
    assert refusal(engine, "first", "second") == (
        f"The routes 'second' of cenote-other 0.1.0 offer GET {path}, and so do the routes 'first' of cenote-hello "
        "0.1.0. Name one of the two."
    )


def test_other_methods_and_other_paths_are_free(engine: AsyncLLM, offer: Any) -> None:
    offer("first", _with("/hello/{name}"))
    offer("second", _with("/hello/{name}", "/pooling", method="DELETE"))
    build_app(engine, ServerConfig(routes=("first", "second", "first")))


def test_routes_that_are_added_after_the_check_never_answer(start_server: Any, offer: Any) -> None:
    made = APIRouter()
    made.add_api_route("/hello", lambda: "hello")
    offer("late", lambda context: made)
    with start_server(routes=("late",)) as running:
        made.add_api_route("/later", lambda: "later")
        assert httpx.get(running.url + "/hello").json() == "hello"
        assert httpx.get(running.url + "/later").status_code == 404


def test_optional_routes_of_cenote_are_sets_as_well(start_server: Any) -> None:
    paths = {"/tokenizer_info", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"}
    for options in (
        {"routes": ("tokenizer-info", "lora-admin")},
        {"enable_tokenizer_info_endpoint": True, "enable_runtime_lora_updating": True, "routes": ("lora-admin",)},
    ):
        with start_server(**options) as running:
            document = httpx.get(running.url + "/openapi.json").json()
            assert paths <= document["paths"].keys()
            assert httpx.get(running.url + "/tokenizer_info").status_code == 200


def test_the_environment_names_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENOTE_ROUTES", "tokenizer-info, hello")
    assert ServerConfig().route_sets == ("tokenizer-info", "hello")
    assert ServerConfig(routes=("a,b", "c")).route_sets == ("a", "b", "c")
