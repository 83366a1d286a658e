"""Servers under load: single short texts over loopback, from wrk, a load generator in C."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from harness.agreement import agreement, within
from harness.arena import Arena
from harness.bulk import beside_bulk
from harness.contest import reference_of
from harness.generators import from_wrk, has_wrk
from harness.models import REAL, model_folder
from harness.peers import CENOTE
from harness.servers import Server, body_of, start_servers
from harness.workload import Workload, texts_of

__all__ = ["load"]

CONCURRENCY = (1, 8, 64)
_TEXTS = 200
#: Settings of cenote's server that are asked beside a bulk job, and rounds of that.
_BULK, _BULK_ROUNDS = ("float32", "bfloat16"), 2


def load(arena: Arena, seconds: int, rounds: int, settings: Sequence[str], beside: int) -> dict[str, Any]:
    """Ask every server in turns, with 1, 8 and 64 connections, for so many seconds in each round.

    Args:
        arena: has the servers' libraries.
        seconds: of each turn.
        rounds: turns of each server.
        settings: those that count; each server has some of them.
        beside: seconds of each turn beside a bulk job.

    Returns:
        A row per server and number of connections; without wrk, `skipped` says so.

    Raises:
        ArithmeticError: the vectors of cenote's server are out of tolerance.
    """
    if not has_wrk():
        return {"skipped": "wrk is not installed (apt-get install wrk)", "rows": []}
    texts = [text.splitlines()[0][:120] for text in texts_of(_TEXTS, seed=5)]
    folder = model_folder(REAL, arena.home)
    wanted = reference_of(arena, "embed", Workload(folder, texts[:32]))
    bodies = [body_of(text) for text in texts]
    servers = start_servers(arena, folder, settings)
    rows = []
    try:
        good = {id(server): _checked(server, texts[:32], wanted) for server in servers}
        for connections in CONCURRENCY:
            found: dict[int, list[dict[str, float]]] = {id(server): [] for server in servers}
            for server in servers * rounds:
                found[id(server)].append(_measured(server, connections, seconds, bodies))
            rows += [{**_row(server, connections, found[id(server)]), "within": good[id(server)]} for server in servers]
        own = [server for server in servers if server.peer == CENOTE.name and server.setting in _BULK]
        bulk = [beside_bulk(server, bodies, beside, min(rounds, _BULK_ROUNDS)) for server in own]
    finally:
        for server in servers:
            server.close()
    return {"model": folder.name, "seconds": seconds, "rounds": rounds, "rows": rows, "bulk": bulk}


def _checked(server: Server, texts: Sequence[str], wanted: Any) -> bool:
    import numpy as np

    server.awake(True)
    found = agreement("embed", np.array(server.ask(texts), dtype=np.float32), wanted)
    server.awake(False)
    good = within("embed", server.setting, found)
    if server.peer == "cenote" and not good:
        raise ArithmeticError(f"cenote's server, {server.setting}: {found}")
    return good


def _row(server: Server, connections: int, rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return the means of all rounds, and how far apart the rates of requests were as a share of their mean."""
    means = {name: statistics.fmean(each[name] for each in rounds) for name in rounds[0]}
    rates = [each["requests_per_second"] for each in rounds]
    return {
        "peer": server.peer,
        "title": server.title,
        "setting": server.setting,
        "connections": connections,
        "first_answer": server.first_answer,
        "spread": (max(rates) - min(rates)) / means["requests_per_second"],
        **means,
    }


def _measured(server: Server, connections: int, seconds: int, bodies: Sequence[str]) -> dict[str, float]:
    """Warm a server for a second, then measure, with the share of a processor that the client took."""
    server.awake(True)
    from_wrk(server.address, bodies, connections=connections, seconds=1)
    found = from_wrk(server.address, bodies, connections=connections, seconds=seconds)
    server.awake(False)
    quantiles = {"p50": found.p50, "p99": found.p99}
    return {"client_cpu": found.cpu, "requests": found.requests, "requests_per_second": found.rate, **quantiles}
