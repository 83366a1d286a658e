"""A server beside the engine alone: requests a second, latency, and where a request's time goes.

    python benchmarks/serve.py [--requests 400] [--batches 64 1000] [--rounds 3]

`cenote serve` runs in a process of its own and is asked over loopback by a client of bare sockets, in turns with
`LLM.embed` of the same texts in this process. The run fails when the two give other vectors. Only the ratios mean
something elsewhere; see README.md in this folder.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

import numpy as np
import orjson
from harness.options import ROUNDS, docstring_count, whole
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from cenote.engine import LLM
from cenote.testing.bench import machine, table
from cenote.testing.corpus import docstrings
from cenote.testing.live import serving

TOLERANCE = 2e-5
MAX_TOKENS = 256
ENCODINGS = ("float", "base64")
CONCURRENCY = (1, 8, 64)
#: Stages of a request: how `/metrics` calls their histograms.
HTTP = "cenote:http_request_duration_seconds"
ENGINE = "cenote:e2e_request_latency_seconds"
STAGES = {
    "tokenise": "cenote:request_tokenize_time_seconds",
    "queue": "cenote:request_queue_time_seconds",
    "compute": "cenote:request_inference_time_seconds",
    "encode": "cenote:response_encode_time_seconds",
}


@dataclass(frozen=True, slots=True)
class Work:
    """Requests of one kind, and how many are under way at a time."""

    texts: tuple[tuple[str, ...], ...]
    encoding: str
    concurrency: int

    @property
    def name(self) -> str:
        """Say what it is, for a table."""
        size = len(self.texts[0])
        return f"{size} text{'s' * (size > 1)} a request, {self.encoding}, {self.concurrency} at a time"

    def offline(self, llm: LLM) -> list[list[float]]:
        """Compute the same without a server: as many texts in one call as the server may see at once."""
        together = self.concurrency if len(self.texts[0]) == 1 else 1
        flat = [list(texts) for texts in self.texts]
        calls = [list(chain(*flat[at : at + together])) for at in range(0, len(flat), together)]
        cut = {"truncate_prompt_tokens": MAX_TOKENS}
        outputs = (llm.embed(call, use_tqdm=False, tokenization_kwargs=cut) for call in calls)
        return [output.outputs.embedding for call in outputs for output in call]


@dataclass(slots=True)
class Figures:
    """What the rounds of one kind of work gave, in seconds."""

    server: list[float] = field(default_factory=list)
    offline: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    client_cpu: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub id; the demonstration model where left out")
    parser.add_argument("--requests", type=docstring_count(), default=400, help="requests of one short text in a round")
    parser.add_argument(
        "--batches", type=docstring_count(), nargs="*", default=[64, 1000], help="texts of the larger requests"
    )
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=3)
    options = parser.parse_args()
    short = [text.splitlines()[0] for text in docstrings(options.requests, seed=1)]
    works = [
        Work(tuple((text,) for text in short), encoding, concurrency)
        for concurrency in CONCURRENCY
        for encoding in ENCODINGS
    ]
    works += [Work((tuple(docstrings(size)),) * max(1, 256 // size), "base64", 1) for size in options.batches]
    name = [options.model] if options.model else []
    with tempfile.TemporaryDirectory() as folder, LLM(options.model, dtype="float32") as llm:
        log = Path(folder) / "server.log"
        with serving(log, *name, "--dtype", "float32", "--max-items-per-request", "100000") as address:
            figures = [Figures() for _ in works]
            for work in works:
                measure(address, llm, work, Figures())  # warm
            for _ in range(options.rounds):
                for work, found in zip(works, figures, strict=True):
                    measure(address, llm, work, found)
    print(report(works, figures, options.rounds))


def measure(address: str, llm: LLM, work: Work, found: Figures) -> None:
    """Run one round of a kind of work on the server, and then without it.

    Raises:
        SystemExit: the vectors differ.
    """
    before = asyncio.run(stages_of(address))
    begin, cpu = time.perf_counter(), time.process_time()
    replies, latencies = asyncio.run(drive(address, work))
    found.server.append(time.perf_counter() - begin)
    found.client_cpu += time.process_time() - cpu
    after = asyncio.run(stages_of(address))
    begin = time.perf_counter()
    wanted = np.array(work.offline(llm), dtype=np.float32)
    found.offline.append(time.perf_counter() - begin)
    found.latencies += latencies
    for name in after:
        found.stages[name] = found.stages.get(name, 0.0) + after[name] - before.get(name, 0.0)
    vectors = np.concatenate([vectors_of(reply, work.encoding) for reply in replies])
    worst = float(abs(vectors - wanted).max())
    if not worst <= TOLERANCE:
        raise SystemExit(f"{work.name}: the server's vectors differ by {worst:.1e}.")


async def drive(address: str, work: Work) -> tuple[list[bytes], list[float]]:
    """Send all requests over as many kept connections as there may be at a time; return bodies and seconds."""
    parts = urlsplit(address)
    todo = iter(range(len(work.texts)))
    messages = [to_message(texts, work.encoding) for texts in work.texts]
    replies, seconds = [b""] * len(messages), [0.0] * len(messages)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
        for index in todo:
            begin = time.perf_counter()
            writer.write(messages[index])
            replies[index] = await read_reply(reader)
            seconds[index] = time.perf_counter() - begin
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(connection() for _ in range(work.concurrency)))
    return replies, seconds


def to_message(texts: Sequence[str], encoding: str) -> bytes:
    """Return a whole request."""
    given = texts[0] if len(texts) == 1 else texts
    body = orjson.dumps({"input": given, "encoding_format": encoding, "truncate_prompt_tokens": MAX_TOKENS})
    head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def read_reply(reader: asyncio.StreamReader) -> bytes:
    """Return the body of an answer.

    Raises:
        SystemExit: it is an error.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(size)
    if not head.startswith(b"http/1.1 200 "):
        raise SystemExit(f"The server answers {head[:12].decode()}: {body.decode()[:500]}")
    return body


def vectors_of(reply: bytes, encoding: str) -> NDArray[np.float32]:
    """Return what an answer holds, [n, d]."""
    items = [item["embedding"] for item in orjson.loads(reply)["data"]]
    if encoding == "base64":
        items = [np.frombuffer(base64.b64decode(item), dtype="<f4") for item in items]
    return np.array(items, dtype=np.float32)


async def stages_of(address: str) -> dict[str, float]:
    """Return the seconds that requests have spent in each stage so far, summed over all of them."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    text = (await read_reply(reader)).decode()
    writer.close()
    await writer.wait_closed()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith("_sum") and sample.labels.get("handler", "/v1/embeddings") == "/v1/embeddings":
                sums[family.name] = sums.get(family.name, 0.0) + sample.value
    return sums


def report(works: Sequence[Work], figures: Sequence[Figures], rounds: int) -> str:
    """Lay the run out for people, as Markdown."""
    speed = ("work", "requests/s", "texts/s", "p50, ms", "p95, ms", "offline texts/s", "server / offline", "client CPU")
    stages = ("mean ms of a request", *STAGES, "rest of the engine", "rest of HTTP", "outside the server")
    pairs = list(zip(works, figures, strict=True))
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return (
        f"{where}\nmedian of {rounds} rounds in turns\n\n{table(speed, [speed_row(*pair) for pair in pairs])}\n\n"
        f"{table(stages, [stage_row(*pair) for pair in pairs])}"
    )


def speed_row(work: Work, found: Figures) -> tuple[str, ...]:
    """Return how fast the server was, and how fast the engine alone."""
    server, offline = median(found.server), median(found.offline)
    ratio = median(alone / served for alone, served in zip(found.offline, found.server, strict=True))
    texts = sum(map(len, work.texts))
    p95 = quantiles(found.latencies, n=20)[-1] if len(found.latencies) > 1 else found.latencies[0]
    milliseconds = (f"{seconds * 1e3:,.2f}" for seconds in (median(found.latencies), p95))
    share = found.client_cpu / sum(found.server)
    return (
        work.name,
        f"{len(work.texts) / server:,.1f}",
        f"{texts / server:,.1f}",
        *milliseconds,
        f"{texts / offline:,.1f}",
        f"{ratio:.2f}",
        f"{share:.0%}",
    )


def stage_row(work: Work, found: Figures) -> tuple[str, ...]:
    """Return where the time of a request went."""
    count = len(found.latencies)
    spent = {name: found.stages[metric] for name, metric in STAGES.items()}
    engine, http = found.stages[ENGINE], found.stages[HTTP]
    inside = engine - spent["tokenise"] - spent["queue"] - spent["compute"]
    outside = (inside, http - engine - spent["encode"], sum(found.latencies) - http)
    return (work.name, *(f"{seconds / count * 1e3:,.2f}" for seconds in (*spent.values(), *outside)))


if __name__ == "__main__":
    main()
