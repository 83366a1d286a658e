"""`/openapi.json` is valid, complete and true: its examples are sent, and the answers fit their schemas."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from cenote.engine import AsyncLLM
from cenote.server.openapi import hoist
from cenote.testing.checkpoints import build_checkpoint

#: Look-alikes that offer, together with the real embedder, every task.
FAMILIES = ("bert_classifier", "bge_reranker_v2_m3", "splade", "bert_token_classifier")
#: What a server says of a route whose task its only model does not offer.
NOT_OFFERED = {404, 424, 501}


@pytest.fixture(scope="module")
def clients(server: Any, start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[httpx.Client]]:
    """One server per model, since examples name no model: each is answered by the first one that is served."""
    engines = []
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(httpx.Client(base_url=server.url, timeout=60))]
        for family in FAMILIES:
            folder = tmp_path_factory.mktemp(family) / "model"
            engines.append(AsyncLLM(str(build_checkpoint(family, folder)), served_model_name=family))
            running = stack.enter_context(start_server(engine=engines[-1], names=(family,)))
            found.append(stack.enter_context(httpx.Client(base_url=running.url, timeout=60)))
        yield found
    for engine in engines:
        asyncio.run(engine.shutdown())


def document_of(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    document: dict[str, Any] = answer.json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        yield from ((method.upper(), path, operation) for method, operation in item.items())


def examples_of(operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    shown = operation["requestBody"]["content"]["application/json"]["examples"]
    return {name: entry["value"] for name, entry in shown.items()}


def check_fits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def schema_for(operation: dict[str, Any], answer: httpx.Response) -> dict[str, Any] | None:
    """Return the schema of an answer; None is an answer that is described as having no JSON body."""
    replies = operation["responses"]
    reply = replies.get(str(answer.status_code)) or replies[f"{answer.status_code // 100}XX"]
    content = reply.get("content", {})
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        assert answer.content == b""
        return None
    assert kind in content, (kind, list(content))
    schema: dict[str, Any] = content[kind]["schema"]
    return schema if kind == "application/json" else None


def references(value: Any) -> Iterator[str]:
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if key == "$ref" and isinstance(part, str):
            yield part.removeprefix("#/components/schemas/")
        elif isinstance(part, dict | list):
            yield from references(part)


def validate_part(document: dict[str, Any], paths: dict[str, Any], names: set[str]) -> None:
    """Validate these paths, and these schemas with all that either refers to: a whole document takes seconds."""
    schemas, found = document["components"]["schemas"], names | set(references(paths))
    while more := {name for each in found for name in references(schemas[each])} - found:
        found |= more
    kept = {name: schemas[name] for name in sorted(found)}
    validate({**document, "paths": paths, "components": {**document["components"], "schemas": kept}})


def test_the_document_is_valid_and_every_reference_in_it_resolves(clients: list[httpx.Client]) -> None:
    seen: list[tuple[str, Any]] = []
    for client in clients:
        document = document_of(client)
        schemas = document["components"]["schemas"]
        assert {*references(document["paths"]), *references(schemas)} <= schemas.keys()
        paths = {path: item for path, item in document["paths"].items() if (path, item) not in seen}
        names = {name for name, schema in schemas.items() if (name, schema) not in seen}
        validate_part(document, paths, names)  # most of it is the same in every document
        seen += [*document["paths"].items(), *schemas.items()]


def test_every_route_says_what_it_does_takes_and_gives(clients: list[httpx.Client]) -> None:
    for client in clients:
        for method, path, operation in operations(document_of(client)):
            where = f"{method} {path}"
            assert operation["summary"], where
            assert "200" in operation["responses"], where
            assert {"4XX", "5XX"} <= operation["responses"].keys(), where
            watched = path in ("/health", "/ready", "/ping")
            assert watched or operation["responses"]["200"]["content"], where
            for content in operation["responses"]["200"].get("content", {}).values():
                assert content["schema"], where
            if method == "POST" and path != "/ping" and "requestBody" in operation:
                assert examples_of(operation), where


def test_every_example_works_as_it_stands_on_a_server_that_can_answer_it(clients: list[httpx.Client]) -> None:
    worked: dict[tuple[str, str, str], bool] = {}
    for client in clients:
        document = document_of(client)
        for method, path, operation in operations(document):
            schema = (operation.get("requestBody") or {"content": {}})["content"].get("application/json", {})
            for name, body in examples_of(operation).items():
                check_fits(body, schema["schema"], document)
                answer = client.request(method, path, json=body)
                assert answer.status_code == 200 or answer.status_code in NOT_OFFERED, (path, name, answer.text)
                if (expected := schema_for(operation, answer)) is not None:
                    check_fits(answer.json(), expected, document)
                key = (method, path, name)
                worked[key] = worked.get(key, False) or answer.status_code == 200
    assert [key for key, has_worked in worked.items() if not has_worked] == []


def test_every_route_without_a_body_answers_as_described(clients: list[httpx.Client]) -> None:
    for client in clients:
        document = document_of(client)
        for method, path, operation in operations(document):
            if "requestBody" not in operation and "{" not in path:
                answer = client.request(method, path)
                assert answer.status_code == 200, path
                if (expected := schema_for(operation, answer)) is not None:
                    check_fits(answer.json(), expected, document)


def test_errors_fit_the_envelope_that_is_described(clients: list[httpx.Client]) -> None:
    bodies: list[Any] = [b"{", b"[]", json.dumps({"input": 5, "inputs": 5, "texts": 5, "model": "nope"}).encode()]
    for client in clients:
        document = document_of(client)
        for method, path, operation in operations(document):
            for body in bodies if "requestBody" in operation else ():
                answer = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
                assert 400 <= answer.status_code < 500, (path, answer.text)
                expected = schema_for(operation, answer)
                assert expected is not None
                check_fits(answer.json(), expected, document)


def test_routes_that_operators_turn_on_are_described_as_well(start_server: Any) -> None:
    with start_server(enable_runtime_lora_updating=True, enable_tokenizer_info_endpoint=True) as running:
        document = httpx.get(running.url + "/openapi.json").json()
    paths = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/tokenizer_info")
    validate_part(document, {path: document["paths"][path] for path in paths}, set())
    for path in paths:
        [operation] = document["paths"][path].values()
        assert operation["responses"]["200"]["content"], path
        assert path == "/tokenizer_info" or examples_of(operation), path


def test_a_prefix_and_the_flat_error_body_are_in_the_document(start_server: Any) -> None:
    with start_server(root_path="/api", error_format="flat") as running:
        document = httpx.get(running.url + "/api/openapi.json").json()
        validate(document)
        assert document["servers"] == [{"url": "/api"}]
        refused = document["paths"]["/pooling"]["post"]["responses"]["4XX"]["content"]["application/json"]["schema"]
        assert set(refused["required"]) == {"object", "message", "type", "param", "code"}
        answer = httpx.post(running.url + "/api/pooling", json={})
        check_fits(answer.json(), refused, document)


def test_definitions_of_one_name_stay_apart_with_all_that_refers_to_them() -> None:
    place = "#/components/schemas/"

    def schema(kind: str) -> dict[str, Any]:
        inner, outer = {"type": kind}, {"properties": {"a": {"$ref": f"{place}Inner"}, "b": {"$ref": f"{place}Outer"}}}
        return {"$ref": f"{place}Outer", "$defs": {"Outer": outer, "Inner": inner}, "example": {"$ref": 5}}

    kinds, shared = ("string", "integer", "string", "null", "integer"), dict[str, Any]()
    found = [hoist(schema(kind), shared)["$ref"].removeprefix(place) for kind in kinds]
    assert found == ["Outer", "Outer_", "Outer", "Outer__", "Outer_"]
    for name, kind in zip(found, kinds, strict=True):
        references = {key: value["$ref"].removeprefix(place) for key, value in shared[name]["properties"].items()}
        assert references["b"] == name
        assert shared[references["a"]] == {"type": kind}
    assert len(shared) == 6
