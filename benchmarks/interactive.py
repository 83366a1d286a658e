"""Short queries beside a bulk job: how long they take quietly and under load, and what the job loses by them.

    python benchmarks/interactive.py [--dtype float32] [--seconds 6] [--connections 1 8]

One client sends calls of 1000 texts, one after another, to `cenote serve` in a process of its own, while others ask
for one short text at a time. Only the ratios mean something elsewhere; see README.md in this folder.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
from harness.generators import Load, from_sockets
from harness.options import docstring_count, whole
from harness.process import WorkerError

from cenote.testing.bench import machine, table
from cenote.testing.corpus import docstrings
from cenote.testing.live import serving

#: Seconds for which a server keeps steps short after a short query, and a little more.
_RECENT = 6.0


@dataclass(slots=True)
class Bulk:
    """Calls of many texts, one after another, from a thread, until told to end or one is not answered."""

    address: str
    body: bytes
    ended: bool = False
    failure: Exception | None = None

    def run(self) -> None:
        """Send and await calls."""
        try:
            while not self.ended:
                post(self.address, self.body)
        except (OSError, http.client.HTTPException) as error:
            self.failure = error


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub id; the demonstration model where left out")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seconds", type=whole(1, 3600), default=6)
    parser.add_argument("--connections", type=whole(1, 1000), nargs="+", default=[1, 8])
    parser.add_argument("--texts", type=docstring_count(), default=1000, help="texts of a call of the bulk job")
    options = parser.parse_args()
    queries = [text.splitlines()[0][:120] for text in docstrings(200, seed=1)]
    texts = docstrings(options.texts)
    bulk = body_of(texts)
    name = [options.model] if options.model else []
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*name, "--dtype", options.dtype, "--max-items-per-request", "100000"]
        with serving(Path(folder) / "server.log", *arguments) as address:
            try:
                generate(address, queries, connections=8, seconds=1)  # warm
                rows = [row(address, queries, bulk, count, options.seconds) for count in options.connections]
            except WorkerError as error:
                raise SystemExit(f"{error}") from None
    where = ", ".join(f"{key} {value}" for key, value in machine().items())
    header = ("queries at a time", "client", "quiet p50", "quiet p99", "p50 beside the job", "p99 beside the job")
    job = ("tokens/s of the job", "with queries", "CPU of the client")
    print(f"{where}\n{options.dtype}; times in ms\n\n{table((*header, *job), rows)}")


def generate(address: str, queries: list[str], *, connections: int, seconds: int) -> Load:
    """Ask for embeddings of one text a request, over so many connections at a time."""
    bodies = [json.dumps({"input": text, "encoding_format": "base64"}) for text in queries]
    return from_sockets(f"{address}/v1/embeddings", bodies, connections=connections, seconds=seconds)


def row(address: str, queries: list[str], bulk: bytes, connections: int, seconds: int) -> tuple[str, ...]:
    """Measure quietly and beside the job, and return what a table says of it.

    Raises:
        WorkerError: a request failed, of either client.
    """
    loads: list[Load] = []

    def ask() -> None:
        loads.append(generate(address, queries, connections=connections, seconds=seconds))

    asked, _ = tokens_in(address, ask)
    job = Bulk(address, bulk)
    thread = threading.Thread(target=job.run)
    thread.start()
    time.sleep(_RECENT)  # its first call is tokenised, and no short query came recently
    alone, alone_seconds = tokens_in(address, lambda: time.sleep(seconds))
    both, both_seconds = tokens_in(address, ask)
    job.ended = True
    thread.join()
    if job.failure:
        raise WorkerError(f"The job ended: {job.failure}")
    quiet, loaded = loads
    own = both - asked / quiet.requests * loaded.requests  # without those of the queries
    return (
        str(connections),
        loaded.client,
        *(f"{value:,.1f}" for value in (quiet.p50, quiet.p99, loaded.p50, loaded.p99)),
        f"{alone / alone_seconds:,.0f}",
        f"{own / both_seconds:,.0f}",
        share(quiet, loaded),
    )


def tokens_in(address: str, run: Callable[[], object]) -> tuple[float, float]:
    """Return how many tokens a server computes while a function runs, and the seconds of it."""

    def total() -> float:
        with urllib.request.urlopen(f"{address}/metrics") as reply:
            text = reply.read().decode()
        return sum(float(value) for value in re.findall(r"^cenote:forward_tokens_total\S* (\S+)$", text, re.MULTILINE))

    before, begin = total(), time.perf_counter()
    run()
    return total() - before, time.perf_counter() - begin


def share(quiet: Load, loaded: Load) -> str:
    """Say how busy the client was."""
    return f"{max(quiet.cpu, loaded.cpu):.0%}"


def body_of(texts: list[str]) -> bytes:
    """Return the body of a call of the job."""
    return orjson.dumps({"input": texts, "encoding_format": "base64", "truncate_prompt_tokens": 256})


def post(address: str, body: bytes) -> bytes:
    """Send a body to the embeddings route and return the answer."""
    request = urllib.request.Request(f"{address}/v1/embeddings", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return bytes(reply.read())


if __name__ == "__main__":
    main()
