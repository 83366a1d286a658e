"""`priority` over HTTP: what is lower runs sooner."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import Any

import httpx
import pytest


@pytest.mark.parametrize("path", ["/v1/embeddings", "/pooling"])
def test_of_what_waits_the_lowest_priority_runs_first_and_equals_in_their_order(
    path: str, start_server: Any, plain_model: Any, plain_engine: Any, until: Any
) -> None:
    model = plain_model.PlainModel()
    engine = plain_engine(model, max_num_seqs=1)
    engine.pause()
    # The number of tokens tells the requests apart: the model keeps the lengths of its batches.
    waiting = {1: 5, 2: None, 3: -(2**63), 4: 0, 5: -1, 6: 2**63 - 1}
    with start_server(engine=engine, names=("plain",)) as running, concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = []
        for count, (tokens, priority) in enumerate(waiting.items(), 1):
            body = {"input": [7] * tokens, "priority": priority}
            answers.append(pool.submit(httpx.post, running.url + path, json=body))
            until(lambda count=count: engine.stats().waiting == count)
        engine.resume()
        assert [answer.result().status_code for answer in answers] == [200] * 6
    assert list(model.batches) == [(3,), (5,), (2,), (4,), (1,), (6,)]
    asyncio.run(engine.shutdown())
