"""Requests of short texts over loopback: from wrk, a load generator in C, or from bare sockets where it is missing."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

__all__ = ["Load", "generate"]

_SCRIPT = """
local bodies = {%s}
local place = 0
request = function()
  place = place %% #bodies + 1
  return wrk.format("POST", "/v1/embeddings", {["Content-Type"] = "application/json"}, bodies[place])
end
done = function(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format("FOUND %%d %%d %%d %%f %%f %%f\\n", summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load generator saw.

    Attributes:
        client: its name.
        rate: answers a second.
        p50: milliseconds in which half of the answers came.
        p99: the same for 99 of 100.
        most: of the slowest one.
        cpu: share of one processor that the client itself took.
    """

    client: str
    rate: float
    p50: float
    p99: float
    most: float
    cpu: float


def generate(address: str, texts: Sequence[str], *, connections: int, seconds: float) -> Load:
    """Ask for embeddings of one text a request, over so many kept connections at a time.

    Raises:
        SystemExit: a request failed.
    """
    bodies = [json.dumps({"input": text, "encoding_format": "base64"}) for text in texts]
    if shutil.which("wrk") is None:
        return _from_sockets(address, bodies, connections, seconds)
    return _from_wrk(address, bodies, connections, seconds)


def _from_wrk(address: str, bodies: Sequence[str], connections: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_SCRIPT % ", ".join(map(json.dumps, bodies)))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
        spent, begin = _spent(), time.perf_counter()
        done = subprocess.run([*command, "-s", str(script), address], capture_output=True, check=True, text=True)
        share = (_spent() - spent) / (time.perf_counter() - begin)
    found = re.search(r"FOUND (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)", done.stdout)
    if found is None or int(found[3]):
        raise SystemExit(f"wrk: requests failed:\n{done.stdout[:1000]}")
    p50, p99, most = (float(value) / 1e3 for value in found.groups()[3:])
    return Load("wrk", int(found[1]) / int(found[2]) * 1e6, p50, p99, most, share)


def _spent() -> float:
    """Return the processor seconds of child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _from_sockets(address: str, bodies: Sequence[str], connections: int, seconds: float) -> Load:
    begin, cpu = time.perf_counter(), time.process_time()
    found = asyncio.run(_drive(address, bodies, connections, begin + seconds))
    taken, spent = time.perf_counter() - begin, time.process_time() - cpu
    cuts = quantiles(found, n=100) if len(found) > 1 else found * 99
    return Load("sockets", len(found) / taken, cuts[49] * 1e3, cuts[98] * 1e3, max(found) * 1e3, spent / taken)


async def _drive(address: str, bodies: Sequence[str], connections: int, until: float) -> list[float]:
    """Return the seconds that each answer took."""
    parts, found = urlsplit(address), list[float]()

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        place = first
        while time.perf_counter() < until:
            body, begin = bodies[place % len(bodies)].encode(), time.perf_counter()
            head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            if not answer.startswith(b"http/1.1 200 "):
                raise SystemExit(f"The server answers {answer[:12].decode()}.")
            found.append(time.perf_counter() - begin)
            place += connections
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection(first) for first in range(connections)))
    return found
