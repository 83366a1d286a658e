"""Which characters tokens stand for: markers and filling for none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from cenote import AsyncLLM
from cenote.adapters import LoadOptions
from cenote.checkpoints import open_checkpoint
from cenote.config import PoolerConfig
from cenote.server import build_app
from cenote.types import PoolingParams, Prompt, Role, TokenizationOptions
from cenote_colbert.adapter import ColbertAdapter
from cenote_colbert.texts import Cleaning

_TEXT = "  What is \u0130t, \u03a3\u039f\u03a6\u039f\u03a3?  "


def _model(folder: Path) -> Any:
    return ColbertAdapter.load(open_checkpoint(str(folder)), LoadOptions(pooler_config=PoolerConfig()))


@pytest.mark.parametrize(
    "family", ["colbert_v2", "gte_moderncolbert", "jina_colbert_v2", "lfm2_colbert", "multi_vector_encoder"]
)
def test_located_tokens_are_those_that_are_run(family: str, folder_of: Callable[[str], Path]) -> None:
    model = _model(folder_of(family))
    for role in get_args(Role):
        located = model.locate(_TEXT, role, PoolingParams())
        prepared = model.prepare(Prompt(text=_TEXT), role, PoolingParams(), TokenizationOptions())
        assert located.ids == prepared.token_ids
        spans = located.own_spans()
        assert spans[:2] == [None, None]
        covered = {place for span in spans if span is not None for place in range(*span)}
        assert covered >= {place for place, letter in enumerate(_TEXT) if not letter.isspace()}
        if role == "query":
            assert spans[-1] is None


def test_places_are_those_in_the_text_before_it_was_lower_cased(edited: Any) -> None:
    model = _model(edited("gte_moderncolbert", {"sentence_bert_config.json": {"do_lower_case": True}}))
    located = model.locate(_TEXT, "document", PoolingParams())
    spans = [span for span in located.own_spans() if span is not None]
    assert spans[0][0] == 2
    assert spans[-1][1] == len(_TEXT) - 2
    assert all(0 <= start < end <= len(_TEXT) for start, end in spans)
    # The dotted capital I becomes two letters, both of which it stands for.
    assert _TEXT[slice(*next(span for span in spans if span[0] <= 10 < span[1]))].strip().startswith("\u0130")


def test_a_server_shows_the_tokens_of_each_role(folder_of: Callable[[str], Path]) -> None:
    folder = folder_of("gte_moderncolbert")
    model = _model(folder)

    async def run() -> None:
        engine = AsyncLLM(str(folder))
        transport = httpx.ASGITransport(build_app(engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for role in get_args(Role):
                answer = (await client.post("/tokenize", json={"prompt": _TEXT, "input_type": role})).json()
                prepared = model.prepare(Prompt(text=_TEXT), role, PoolingParams(), TokenizationOptions())
                assert answer["tokens"] == list(prepared.token_ids)
                assert answer["max_model_len"] == 48
        await engine.shutdown()

    asyncio.run(run())


def test_cleaning_strips_before_it_lower_cases() -> None:
    assert Cleaning(strips=True, lowers=True)(" \u0130 \u0391\u03a3\n") == "i\u0307 \u03b1\u03c2"
    assert Cleaning()(" A ") == " A "
