"""`POST /pooling` with texts: what the fields beside `data` may ask for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from cenote import AsyncLLM
from cenote.server import build_app


def test_other_encodings_are_refused_and_the_possible_one_is_named(splade: Path) -> None:
    asyncio.run(_check_encodings(splade))


async def _check_encodings(splade: Path) -> None:
    llm = AsyncLLM(str(splade), io_processor_plugin="sparse-terms")
    body = {"data": {"texts": "How deep is the well?", "top_k": 2}}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(llm)), base_url="http://test") as client:
        for field, values in {"encoding_format": ("base64", "bytes"), "output_dtype": ("int8", "float16")}.items():
            for value in values:
                reply = await client.post("/pooling", json={**body, field: value})
                assert (reply.status_code, reply.json()["error"]["param"]) == (400, field)
                assert ("'float'" if field == "encoding_format" else "'float32'") in reply.json()["error"]["message"]
        for more in ({}, {"encoding_format": "float"}, {"output_dtype": "float32"}):
            assert (await client.post("/pooling", json={**body, **more})).status_code == 200
    await llm.shutdown()
