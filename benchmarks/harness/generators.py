"""Generators of load: single posts over kept connections, from wrk, which is written in C, or from bare sockets.

wrk takes a hundredth of a processor and is what servers are compared with. Its quantiles are corrected: where an answer
takes long, it counts the requests that were not sent meanwhile as well, as if they had waited. Sockets in Python count
answers as they came, and are there everywhere; on a small machine, more than a few of them take what the server needs.
"""

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
from itertools import count
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

from harness.process import WorkerError

__all__ = ["Load", "from_sockets", "from_wrk", "has_wrk", "wrk_script"]

#: Seconds after which an answer is not waited for.
_PATIENCE = 30

_SCRIPT = """
local bodies = {%s}
local place = 0
request = function()
  place = place %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[place])
end
done = function(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format("FOUND %%d %%d %%d %%f %%f\\n", summary.requests, summary.duration,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a generator saw.

    Attributes:
        client: its name.
        requests: how many were answered.
        rate: answers a second.
        p50: milliseconds in which half of the answers came; those of wrk are corrected.
        p99: the same for 99 of 100.
        cpu: share of one processor that the client itself took.
    """

    client: str
    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float


def has_wrk() -> bool:
    """Tell whether wrk is installed."""
    return shutil.which("wrk") is not None


def from_wrk(address: str, bodies: Sequence[str], *, connections: int, seconds: int) -> Load:
    """Post one body of JSON after another for so many seconds, over so many connections at a time.

    Raises:
        WorkerError: a request failed, or none was answered.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text(wrk_script(bodies))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", f"{_PATIENCE}s", "-s", str(script)]
        spent, begin = _spent(), time.perf_counter()
        ran = subprocess.run([*command, address], capture_output=True, text=True)
        share = (_spent() - spent) / (time.perf_counter() - begin)
    found = re.search(r"FOUND (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+)", ran.stdout)
    if found is None or int(found[3]) or not int(found[1]):
        raise WorkerError(f"wrk: requests failed, or none was answered:\n{(ran.stdout + ran.stderr)[:1000]}")
    answered, micros, p50, p99 = int(found[1]), int(found[2]), float(found[4]), float(found[5])
    return Load("wrk", answered, answered / micros * 1e6, p50 / 1e3, p99 / 1e3, share)


def wrk_script(bodies: Sequence[str]) -> str:
    """Return the script in Lua by which wrk posts bodies in turn, and prints what `from_wrk` reads."""
    return _SCRIPT % ", ".join(json.dumps(body) for body in bodies)


def _spent() -> float:
    """Return the processor seconds of child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def from_sockets(address: str, bodies: Sequence[str], *, connections: int, seconds: float) -> Load:
    """Do as `from_wrk` does, in this process, and tell how long the answers took.

    Raises:
        WorkerError: a request failed.
    """
    begin, cpu = time.perf_counter(), time.process_time()
    try:
        found = asyncio.run(_drive(address, bodies, connections, begin + seconds))
    except (OSError, EOFError) as error:
        raise WorkerError(f"A request failed: {type(error).__name__}: {error}") from None
    taken, spent = time.perf_counter() - begin, time.process_time() - cpu
    cuts = quantiles(found, n=100, method="inclusive") if len(found) > 1 else found * 99
    return Load("sockets", len(found), len(found) / taken, cuts[49] * 1e3, cuts[98] * 1e3, spent / taken)


async def _drive(address: str, bodies: Sequence[str], connections: int, until: float) -> list[float]:
    """Return the seconds that each answer took."""
    parts, found = urlsplit(address), list[float]()
    head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

    async def connection(first: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            for place in count(first, connections):
                if (begin := time.perf_counter()) >= until:
                    return
                body = bodies[place % len(bodies)].encode()
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                async with asyncio.timeout(_PATIENCE):
                    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                    await reader.readexactly(int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0]))
                if not answer.startswith(b"http/1.1 200 "):
                    raise WorkerError(f"The server answers {answer[:12].decode()}.")
                found.append(time.perf_counter() - begin)
        finally:
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(connection(first) for first in range(connections)))
    return found
