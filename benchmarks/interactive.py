"""Short queries beside a bulk job: how long they take quietly, under load, and how long steps are then.

    python benchmarks/interactive.py [--dtype float32] [--seconds 6] [--connections 1 8]

One client sends calls of 1000 texts, one after another, to `cenote serve` in a process of its own, while others ask
for one short text at a time. Only the ratios mean something elsewhere; see README.md in this folder.
A text is computed at once, with pauses between layers: where one takes more than a short step, it is what the slowest
queries wait for.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import orjson
from generator import Load, generate
from harness.steps import Steps, job_step, less, mean_step, steps_of

from cenote.testing.bench import machine, table
from cenote.testing.corpus import docstrings
from cenote.testing.live import serving

#: Mean steps of the job that a query may wait for, beside what it takes quietly.
STEPS = 2


@dataclass(slots=True)
class Bulk:
    """Calls of many texts, one after another, from a thread, until told to end."""

    address: str
    body: bytes
    ended: bool = False
    calls: int = 0

    def run(self) -> None:
        """Send and await calls."""
        while not self.ended:
            post(self.address, self.body)
            self.calls += 1


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub id; the demonstration model where left out")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--texts", type=int, default=1000, help="texts of a call of the bulk job")
    options = parser.parse_args()
    queries = [text.splitlines()[0][:120] for text in docstrings(200, seed=1)]
    texts = docstrings(options.texts)
    bulk = body_of(texts)
    name = [options.model] if options.model else []
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*name, "--dtype", options.dtype, "--max-items-per-request", "100000"]
        with serving(Path(folder) / "server.log", *arguments) as address:
            generate(address, queries, connections=8, seconds=1)  # warm
            full, longest = alone(address, bulk), alone(address, body_of([max(texts, key=len)]), calls=10)
            rows = [row(address, queries, bulk, count, options.seconds) for count in options.connections]
    where = ", ".join(f"{key} {value}" for key, value in machine().items())
    header = ("queries at a time", "client", "quiet p50", "quiet p99", "p50 beside the job", "p99 beside the job")
    steps = ("quiet p99 + 2 steps", "mean step of the job", "CPU of the client")
    found = f"a step of the job alone takes {full}, one of its longest text {longest}"
    text = f"{where}\n{options.dtype}; times in ms; {found}"
    print(f"{text}\n\n{table((*header, *steps), rows)}")


def row(address: str, queries: list[str], bulk: bytes, connections: int, seconds: float) -> tuple[str, ...]:
    """Measure quietly and beside the job, and return what a table says of it."""
    before = steps_of(address)
    quiet = generate(address, queries, connections=connections, seconds=seconds)
    light = less(steps_of(address), before)
    job = Bulk(address, bulk)
    thread = threading.Thread(target=job.run)
    thread.start()
    time.sleep(1)  # its first call is tokenised
    before = steps_of(address)
    loaded = generate(address, queries, connections=connections, seconds=seconds)
    both = less(steps_of(address), before)
    step = job_step(both, light, light_steps(both, loaded.rate * seconds, connections))
    job.ended = True
    thread.join()
    return (
        str(connections),
        loaded.client,
        *(f"{value:,.1f}" for value in (quiet.p50, quiet.p99, loaded.p50, loaded.p99, quiet.p99 + STEPS * step, step)),
        share(quiet, loaded),
    )


def light_steps(both: Steps, answered: float, connections: int) -> float:
    """Return how many of the steps were those of queries: one for each, or of several at a time every second step."""
    return answered if connections == 1 else min(answered, both[0] / 2)


def share(quiet: Load, loaded: Load) -> str:
    """Say how busy the client was."""
    return f"{max(quiet.cpu, loaded.cpu):.0%}"


def body_of(texts: list[str]) -> bytes:
    """Return the body of a call of the job."""
    return orjson.dumps({"input": texts, "encoding_format": "base64", "truncate_prompt_tokens": 256})


def alone(address: str, body: bytes, calls: int = 1) -> str:
    """Return the mean milliseconds of a step while nothing but such calls run, one after another."""
    time.sleep(6)  # steps stay short for some seconds after a short query
    before = steps_of(address)
    for _ in range(calls):
        post(address, body)
    return f"{mean_step(less(steps_of(address), before)):,.1f}"


def post(address: str, body: bytes) -> bytes:
    """Send a body to the embeddings route and return the answer."""
    request = urllib.request.Request(f"{address}/v1/embeddings", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return bytes(reply.read())


if __name__ == "__main__":
    main()
