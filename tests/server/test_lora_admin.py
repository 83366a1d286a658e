"""Loading and dropping low-rank adapters while the server runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.loras import build_lora

LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapters `law` and `art`, one of another model, and a broken one."""
    folder = tmp_path_factory.mktemp("adapters")
    for name in ("law", "art"):
        build_lora(base, folder / name, targets=["query", "value"], name=name)
    other = build_checkpoint("roberta", tmp_path_factory.mktemp("roberta"))
    build_lora(other, folder / "foreign", targets=["query"], r=3)
    settings = json.loads((folder / "foreign" / "adapter_config.json").read_text())
    (folder / "foreign" / "adapter_config.json").write_text(json.dumps({**settings, "target_modules": ["nothing"]}))
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def bert(base: Path) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(base), served_model_name="base", enable_lora=True)
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def running(bert: AsyncLLM, start_server: Any) -> Iterator[httpx.Client]:
    with start_server(engine=bert, names=("base", "second"), enable_runtime_lora_updating=True) as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            yield client


@pytest.fixture
def admin(running: httpx.Client, bert: AsyncLLM) -> Iterator[httpx.Client]:
    """The server without adapters, before and after."""
    yield running
    for name in bert.lora_names:
        bert.unload_lora(name)


def _vector(client: httpx.Client, model: str) -> list[float]:
    answer = client.post("/v1/embeddings", json={"input": "a text", "model": model})
    assert answer.status_code == 200, answer.text
    vector: list[float] = answer.json()["data"][0]["embedding"]
    return vector


def _error(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == answer.status_code
    return error


def test_the_routes_do_not_exist_unless_they_are_enabled(client: httpx.Client) -> None:
    for path in (LOAD, UNLOAD):
        answer = client.post(path, json={"lora_name": "a", "lora_path": "b"})
        assert answer.status_code == 404
        assert _error(answer)["type"] == "Not Found"


def test_the_older_variable_of_the_environment_enables_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from cenote.config.server import ServerConfig

    assert not ServerConfig().enable_runtime_lora_updating
    monkeypatch.setenv("CENOTE_ALLOW_RUNTIME_LORA_UPDATING", "1")
    assert ServerConfig().enable_runtime_lora_updating


def test_an_adapter_is_loaded_served_listed_and_dropped(admin: httpx.Client, adapters: Path) -> None:
    plain = _vector(admin, "base")
    done = admin.post(LOAD, json={"lora_name": "law", "lora_path": str(adapters / "law")})
    assert (done.status_code, done.text) == (200, "Success: LoRA adapter 'law' added successfully.")
    assert _vector(admin, "law") != plain
    assert [card["id"] for card in admin.get("/v1/models").json()["data"]] == ["base", "second", "law"]
    gone = admin.post(UNLOAD, json={"lora_name": "law", "lora_int_id": 1})
    assert (gone.status_code, gone.text) == (200, "Success: LoRA adapter 'law' removed successfully.")
    assert _vector(admin, "base") == plain
    assert admin.post("/v1/embeddings", json={"input": "a text", "model": "law"}).status_code == 404


def test_load_inplace_replaces_an_adapter_and_keeps_it_where_that_fails(admin: httpx.Client, adapters: Path) -> None:
    law = {"lora_name": "x", "lora_path": str(adapters / "law")}
    assert admin.post(LOAD, json=law).status_code == 200
    before = _vector(admin, "x")
    failed = admin.post(LOAD, json={"lora_name": "x", "lora_path": str(adapters / "foreign"), "load_inplace": True})
    assert failed.status_code == 500
    assert _vector(admin, "x") == before
    art = {"lora_name": "x", "lora_path": str(adapters / "art"), "load_inplace": True}
    assert admin.post(LOAD, json=art).status_code == 200
    assert _vector(admin, "x") != before
    assert admin.post(LOAD, json={**law, "load_inplace": True, "model": "second"}).status_code == 200
    assert _vector(admin, "x") == before


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"lora_path": "law"}, "body.LoadLora.lora_name"),
        ({"lora_name": "a"}, "body.LoadLora.lora_path"),
        ({"lora_name": "", "lora_path": "law"}, "body.LoadLora.lora_name"),
        ({"lora_name": 5, "lora_path": "law"}, "body.LoadLora.lora_name"),
        ({"lora_name": "a", "lora_path": "law", "load_inplace": "yes"}, "body.LoadLora.load_inplace"),
        ({"lora_name": "a", "lora_path": "law", "is_3d_lora_weight": True}, "is_3d_lora_weight"),
        ({"lora_name": "base", "lora_path": "law"}, "lora_name"),
        ({"lora_name": "second", "lora_path": "law"}, "lora_name"),
        ({"lora_name": "taken", "lora_path": "law"}, "lora_name"),
        ({"lora_name": "a", "lora_path": "law", "model": "taken"}, "model"),
    ],
)
def test_what_the_client_did_wrong_is_400_invalid_user_input(
    admin: httpx.Client, adapters: Path, body: dict[str, Any], param: str
) -> None:
    assert admin.post(LOAD, json={"lora_name": "taken", "lora_path": str(adapters / "art")}).status_code == 200
    if "lora_path" in body:
        body = {**body, "lora_path": str(adapters / body["lora_path"])}
    answer = admin.post(LOAD, json=body)
    assert answer.status_code == 400
    assert _error(answer)["type"] == "InvalidUserInput"
    assert _error(answer)["param"] == param


def test_a_body_that_is_no_json_is_an_ordinary_400(admin: httpx.Client) -> None:
    answer = admin.post(LOAD, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, _error(answer)["type"]) == (400, "Bad Request")


@pytest.mark.parametrize("path", ["/no/such/folder", "law\0", "x" * 5000, "~"])
def test_a_folder_that_is_not_there_is_404(admin: httpx.Client, path: str) -> None:
    answer = admin.post(LOAD, json={"lora_name": "a", "lora_path": path})
    assert (answer.status_code, _error(answer)["type"]) == (404, "NotFoundError")


def test_an_unknown_adapter_or_model_is_404(admin: httpx.Client, adapters: Path) -> None:
    assert admin.post(UNLOAD, json={"lora_name": "a"}).status_code == 404
    assert admin.post(UNLOAD, json={"lora_name": "base"}).status_code == 404
    body = {"lora_name": "a", "lora_path": str(adapters / "law"), "model": "other"}
    assert admin.post(LOAD, json=body).status_code == 404
    assert _error(admin.post(UNLOAD, json={}))["type"] == "InvalidUserInput"


@pytest.mark.parametrize("name", ["foreign", "empty"])
def test_files_that_do_not_fit_are_500_and_no_other_path_is_told(
    admin: httpx.Client, adapters: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adapters)
    answer = admin.post(LOAD, json={"lora_name": "a", "lora_path": name})
    error = _error(answer)
    assert (answer.status_code, error["type"]) == (500, "InternalServerError")
    assert "'a'" in error["message"]
    assert str(adapters) not in error["message"]
    assert "/" not in error["message"]


def test_adapters_outside_the_allowed_places_are_refused_whether_or_not_they_are_there(
    bert: AsyncLLM, adapters: Path, base: Path, start_server: Any, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link").symlink_to(adapters / "law")
    options = {"enable_runtime_lora_updating": True, "allowed_lora_paths": (str(adapters),)}
    with start_server(engine=bert, names=("base",), **options) as running:
        for path in (base, "/no/such/folder", adapters / ".." / "x", f"{adapters}-other"):
            answer = httpx.post(running.url + LOAD, json={"lora_name": "a", "lora_path": str(path)})
            assert (answer.status_code, _error(answer)["type"]) == (400, "InvalidUserInput")
        missing = httpx.post(running.url + LOAD, json={"lora_name": "a", "lora_path": str(adapters / "none")})
        assert missing.status_code == 404
        good = httpx.post(running.url + LOAD, json={"lora_name": "a", "lora_path": str(allowed / "link")})
        assert good.status_code == 200  # the link leads to where adapters may lie
        bert.unload_lora("a")
    with start_server(engine=bert, **{**options, "allowed_lora_paths": (str(allowed),)}) as running:
        outside = httpx.post(running.url + LOAD, json={"lora_name": "a", "lora_path": str(allowed / "link")})
        assert outside.status_code == 400  # the link leads out


def test_a_model_loaded_without_adapters_refuses_them(
    client: httpx.Client, engine: AsyncLLM, start_server: Any
) -> None:
    with start_server(enable_runtime_lora_updating=True) as running:
        answer = httpx.post(running.url + LOAD, json={"lora_name": "a", "lora_path": "."})
        assert (answer.status_code, _error(answer)["type"]) == (400, "BadRequestError")
        assert "enable_lora" in _error(answer)["message"]


def test_an_adapter_of_one_model_is_not_loaded_for_another_under_the_same_name(
    bert: AsyncLLM, engine: AsyncLLM, adapters: Path, start_server: Any
) -> None:
    with start_server(engine={"base": bert, "other": engine}, enable_runtime_lora_updating=True) as running:
        body = {"lora_name": "law", "lora_path": str(adapters / "law")}
        assert httpx.post(running.url + LOAD, json=body).status_code == 200
        second = httpx.post(running.url + LOAD, json={**body, "model": "other", "load_inplace": True})
        assert (second.status_code, _error(second)["type"]) == (400, "InvalidUserInput")
        assert httpx.post(running.url + UNLOAD, json={"lora_name": "law"}).status_code == 200


def test_requests_that_wait_for_an_adapter_fail_alone_when_it_goes(
    admin: httpx.Client, bert: AsyncLLM, adapters: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    admin.post(LOAD, json={"lora_name": "law", "lora_path": str(adapters / "law")}).raise_for_status()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        bert.pause()
        try:
            answers = [
                pool.submit(httpx.post, f"{admin.base_url}/v1/embeddings", json={"input": "a", "model": name})
                for name in ("base", "law")
            ]
            until(lambda: bert.stats().waiting == 2)
            assert admin.post(UNLOAD, json={"lora_name": "law"}).status_code == 200
        finally:
            bert.resume()
        base, law = (answer.result() for answer in answers)
    assert base.status_code == 200
    assert law.status_code == 404
    assert _error(law)["type"] == "NotFoundError"


def test_adapters_come_and_go_while_the_server_is_busy(
    admin: httpx.Client, bert: AsyncLLM, adapters: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    stop = threading.Event()

    def ask(model: str) -> set[int]:
        statuses: set[int] = set()
        with httpx.Client(base_url=admin.base_url, timeout=60) as own:
            while not stop.is_set():
                statuses.add(own.post("/v1/embeddings", json={"input": ["a b c"] * 8, "model": model}).status_code)
        return statuses

    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = [pool.submit(ask, model) for model in ("base", "law", "base", "law")]
        try:
            for path in (LOAD, UNLOAD) * 3:
                body = {"lora_name": "law", "lora_path": str(adapters / "law")}
                assert admin.post(path, json=body).status_code == 200
                seen = bert.stats().forwards
                until(lambda seen=seen: bert.stats().forwards > seen + 3)  # type: ignore[misc]
        finally:
            stop.set()
        statuses = [answer.result() for answer in asked]
    assert statuses == [{200}, {200, 404}, {200}, {200, 404}]
