"""Requests to an IO processor as its users send them: on an event loop, many at once, and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from cenote.engine import AsyncLLM
from cenote.io_processors import Encoding
from cenote.server import build_app
from cenote.testing.conformance.answers import as_json
from cenote.types import PoolingParams, TokenizationOptions

__all__ = ["ask", "ask_together", "post", "published"]


#: Seconds between looks at what waits; and looks without a change after which no prompts are expected. Of a request
#: that has none yet, its processor may not have had its turn on a busy machine.
_LOOK_SECONDS = 0.05
_LOOKS, _PATIENT_LOOKS = 2, 20


async def ask(engine: AsyncLLM, processor: str, requests: Sequence[Any]) -> list[Any]:
    """Return the answers to some values of `data`, asked one after the other, as JSON."""
    return [await _one(engine, processor, data, index) for index, data in enumerate(requests)]


async def ask_together(engine: AsyncLLM, processor: str, requests: Sequence[Any]) -> list[Any]:
    """Return the same for requests at one time: none is answered before the prompts of all are waiting."""
    engine.pause()
    tasks = [asyncio.create_task(_one(engine, processor, data, index)) for index, data in enumerate(requests)]
    try:
        seen = unchanged = 0
        while unchanged < (_LOOKS if seen >= len(tasks) else _PATIENT_LOOKS):
            await asyncio.wait(tasks, timeout=_LOOK_SECONDS)
            waiting = engine.stats().waiting
            seen, unchanged = waiting, unchanged + 1 if waiting == seen else 0
    finally:
        engine.resume()
    return list(await asyncio.gather(*tasks))


async def post(engine: AsyncLLM, processor: str, requests: Sequence[Any]) -> list[httpx.Response]:
    """Return what a server answers to some values of `data`."""
    transport = httpx.ASGITransport(build_app(engine), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://kit") as client:
        return [await client.post("/pooling", json={"data": data, "io_processor": processor}) for data in requests]


async def published(engine: AsyncLLM, processor: str) -> Any:
    """Return the schema of `data` that a server's OpenAPI document has for the processor."""
    transport = httpx.ASGITransport(build_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://kit") as client:
        document = (await client.get("/openapi.json")).json()
    body = document["paths"]["/pooling"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    forms = [form["properties"] for form in body["oneOf"] if "io_processor" in form["properties"]]
    (schema,) = (form["data"] for form in forms if form["io_processor"].get("const") == processor)
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


async def _one(engine: AsyncLLM, processor: str, data: Any, index: int) -> Any:
    answer = await engine.process(
        data,
        processor=processor,
        params=PoolingParams(),
        tokenization=TokenizationOptions(),
        role=None,
        encoding=Encoding(),
        request_id=f"kit-{index}",
        priority=0,
        deadline=None,
        clock=None,
        observe=lambda stage, seconds, outcome: None,
    )
    return as_json(answer)
