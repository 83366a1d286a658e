"""One short text at a time beside a bulk job, at cenote's server."""

from __future__ import annotations

import http.client
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.generators import from_sockets
from harness.process import WorkerError
from harness.servers import NAME, Server
from harness.workload import texts_of

__all__ = ["beside_bulk", "bulk_job"]

#: Texts of one call of the bulk job.
_BULK = 500
#: Seconds of a quiet turn at most: many more requests are answered in them.
_QUIET = 5


def beside_bulk(server: Server, bodies: Sequence[str], seconds: int, rounds: int) -> dict[str, Any]:
    """Ask for one short text at a time quietly, then while another client sends calls of many texts, in turns.

    Args:
        server: of cenote.
        bodies: of posts of one short text.
        seconds: of each turn beside the job.
        rounds: turns of each kind.

    Returns:
        Quantiles in milliseconds: the medians of the rounds, and the least of quiet turns, for they are what the others
        are held against. `requests` that were answered beside the job in all rounds, `seconds`, `rounds`, the `client`.

    Raises:
        WorkerError: a call of the other client was not answered.
    """
    server.awake(True)
    from_sockets(server.address, bodies, connections=1, seconds=1)
    found = [_round(server, bodies, seconds) for _ in range(rounds)]
    server.awake(False)
    times = {name: [each[name] for each in found] for name in found[0]}
    quiet = {name: min(times[name]) for name in ("quiet_p50", "quiet_p99")}
    loaded = {name: statistics.median(times[name]) for name in ("p50", "p99")}
    facts = {"peer": server.peer, "setting": server.setting, "seconds": seconds, "rounds": rounds, "client": "sockets"}
    return {**facts, **quiet, **loaded, "requests": sum(times["requests"])}


def _round(server: Server, bodies: Sequence[str], seconds: int) -> dict[str, float]:
    quiet = from_sockets(server.address, bodies, connections=1, seconds=min(seconds, _QUIET))
    with bulk_job(server):
        loaded = from_sockets(server.address, bodies, connections=1, seconds=seconds)
    quantiles = {"quiet_p50": quiet.p50, "quiet_p99": quiet.p99, "p50": loaded.p50, "p99": loaded.p99}
    return {**quantiles, "requests": loaded.requests}


@contextmanager
def bulk_job(server: Server) -> Iterator[None]:
    """Send calls of many texts, one after another, as long as a block runs."""
    ended, answered, failed = threading.Event(), list[int](), list[Exception]()
    given = {"input": texts_of(_BULK, seed=9), "truncate_prompt_tokens": 256, "encoding_format": "base64"}

    def job() -> None:
        try:
            while not ended.is_set():
                answered.append(len(server.post({"model": NAME, **given})))
        except (OSError, http.client.HTTPException) as error:
            failed.append(error)

    thread = threading.Thread(target=job)
    thread.start()
    time.sleep(1)  # its first call is tokenised
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failed or not answered:  # without the job, nothing was measured beside it
        raise WorkerError(f"the bulk job ended: {failed[0] if failed else 'it got no answer'}")
