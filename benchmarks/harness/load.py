"""Servers under load: single short texts over loopback, from wrk, a load generator in C."""

from __future__ import annotations

import json
import re
import resource
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.agreement import agreement, within
from harness.arena import Arena
from harness.contest import reference_of
from harness.models import REAL, model_folder
from harness.peers import CENOTE
from harness.process import WorkerError
from harness.servers import NAME, Server, start_servers
from harness.steps import job_step, less, steps_of
from harness.workload import Workload, texts_of

__all__ = ["job_step", "load", "read_wrk"]

CONCURRENCY = (1, 8, 64)
_TEXTS = 200
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}
#: Texts of one call of the bulk job.
_BULK = 500
_SCRIPT = """
local bodies = {%s}
local place = 0
request = function()
  place = place %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[place])
end
"""


def load(
    arena: Arena, seconds: int, rounds: int = 2, settings: Sequence[str] = ("float32", "bfloat16")
) -> dict[str, Any]:
    """Ask every server in turns, with 1, 8 and 64 connections, for so many seconds in each round.

    Returns:
        A row per server and number of connections; without wrk, `skipped` says so.

    Raises:
        ArithmeticError: the vectors of cenote's server are out of tolerance.
    """
    if shutil.which("wrk") is None:
        return {"skipped": "wrk is not installed (apt-get install wrk)", "rows": []}
    texts = [text.splitlines()[0][:120] for text in texts_of(_TEXTS, seed=5)]
    folder = model_folder(REAL, arena.home)
    wanted = reference_of(arena, "embed", Workload(folder, texts[:32]))
    script = arena.home / "inputs" / "load.lua"
    bodies = (json.dumps(json.dumps({"model": NAME, "input": text}, ensure_ascii=True)) for text in texts)
    script.write_text(_SCRIPT % ", ".join(bodies))
    servers = start_servers(arena, folder, settings)
    rows = []
    try:
        good = {id(server): _checked(server, texts[:32], wanted) for server in servers}
        for connections in CONCURRENCY:
            found: dict[int, list[dict[str, float]]] = {id(server): [] for server in servers}
            for server in servers * rounds:
                found[id(server)].append(_measured(server, connections, seconds, script))
            rows += [{**_row(server, connections, found[id(server)]), "within": good[id(server)]} for server in servers]
        bulk = [_beside_bulk(server, seconds, script) for server in servers if server.peer == CENOTE.name]
    finally:
        for server in servers:
            server.close()
    return {"model": folder.name, "seconds": seconds, "rounds": rounds, "rows": rows, "bulk": bulk}


def read_wrk(text: str) -> dict[str, float]:
    """Return `requests_per_second`, `p50` and `p99` in milliseconds from what `wrk --latency` printed.

    Raises:
        WorkerError: there were errors, or it printed something else.
    """
    if bad := re.search(r"(Non-2xx or 3xx responses: \d+|Socket errors: .*)", text):
        raise WorkerError(f"wrk: {bad[1]}")
    speed = re.search(r"Requests/sec:\s+([\d.]+)", text)
    quantiles = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s|m))", text))
    if speed is None or len(quantiles) != 2:
        raise WorkerError(f"wrk printed something else: {text[:300]}")
    return {
        "requests_per_second": float(speed[1]),
        **{f"p{name}": _milliseconds(value) for name, value in quantiles.items()},
    }


def _milliseconds(value: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", value)
    assert match is not None
    return float(match[1]) * _UNITS[match[2]]


def _checked(server: Server, texts: Sequence[str], wanted: Any) -> bool:
    import numpy as np

    server.awake(True)
    found = agreement("embed", np.array(server.ask(texts), dtype=np.float32), wanted)
    server.awake(False)
    good = within("embed", server.setting, found)
    if server.peer == "cenote" and not good:
        raise ArithmeticError(f"cenote's server, {server.setting}: {found}")
    return good


def _beside_bulk(server: Server, seconds: int, script: Path) -> dict[str, Any]:
    """Ask for one short text at a time quietly, then while another client sends calls of many texts, without a pause.

    Returns:
        Quantiles in milliseconds, and `step`, the mean of a step of the job meanwhile.

    Raises:
        WorkerError: no call of the other client was answered.
    """
    ended, calls = threading.Event(), list[int]()
    given = {"input": texts_of(_BULK, seed=9), "truncate_prompt_tokens": 256, "encoding_format": "base64"}

    def job() -> None:
        while not ended.is_set():
            calls.append(len(server.post({"model": NAME, **given})))

    server.awake(True)
    command = _command(1, script)
    subprocess.run([*command, "-d1s", server.address], capture_output=True, check=True)
    before = steps_of(server.address)
    quiet = _asked(command, seconds, server)
    light = less(steps_of(server.address), before)
    thread = threading.Thread(target=job)
    thread.start()
    time.sleep(1)  # its first call is tokenised
    before = steps_of(server.address)
    loaded = _asked(command, seconds, server)
    step = job_step(less(steps_of(server.address), before), light, loaded["requests_per_second"] * seconds)
    ended.set()
    thread.join()
    server.awake(False)
    if not calls:
        raise WorkerError("the bulk job got no answer")
    quantiles = {"quiet_p50": quiet["p50"], "quiet_p99": quiet["p99"], "p50": loaded["p50"], "p99": loaded["p99"]}
    return {"peer": server.peer, "setting": server.setting, **quantiles, "step": step}


def _command(connections: int, script: Path) -> list[str]:
    return ["wrk", "-t1", f"-c{connections}", "--timeout", "30s", "--latency", "-s", str(script)]


def _asked(command: Sequence[str], seconds: int, server: Server) -> dict[str, float]:
    done = subprocess.run([*command, f"-d{seconds}s", server.address], capture_output=True, check=True, text=True)
    return read_wrk(done.stdout)


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


def _measured(server: Server, connections: int, seconds: int, script: Path) -> dict[str, float]:
    """Warm a server for a second, then measure, with the share of a processor that the client took."""
    server.awake(True)
    command = _command(connections, script)
    subprocess.run([*command, "-d1s", server.address], capture_output=True, check=True)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    found = _asked(command, seconds, server)
    after, taken = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begin
    server.awake(False)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"client_cpu": spent / taken, **found}
