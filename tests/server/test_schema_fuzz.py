"""Requests generated from the published OpenAPI document: answers are as it says, and none is a 5xx."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

#: One model for each kind; what a model cannot answer has no route on its server.
_FAMILIES = ("splade", "bge_reranker_v2_m3", "bert_token_classifier")
#: Requests per operation, model and mode.
_EXAMPLES = 15
_CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture(scope="module", params=_FAMILIES)
def address(request: Any, start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    engine = AsyncLLM(str(build_checkpoint(request.param, tmp_path_factory.mktemp("fuzzed"))))
    with start_server(engine=engine, names=("model",)) as running:
        yield running.url
    asyncio.run(engine.shutdown())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "wrong"])
def test_generated_requests_are_answered_as_the_document_says(address: str, mode: GenerationMode) -> None:
    seen: Counter[int] = Counter()
    for found in schemathesis.openapi.from_url(f"{address}/openapi.json").get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # nothing in it can be wrong

        @settings(
            max_examples=_EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            answer = case.call(timeout=30)
            case.validate_response(answer, checks=_CHECKS)
            seen[answer.status_code] += 1

        check()
    assert seen[200 if mode is GenerationMode.POSITIVE else 400] > 20, seen
    answer = httpx.post(f"{address}/tokenize", json={"prompt": "still alive"}, timeout=60)
    assert answer.status_code == 200
