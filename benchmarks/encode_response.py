"""How long the body of an answer takes to write: vectors as JSON numbers, as base64 and as raw bytes.

    python benchmarks/encode_response.py [--items 256] [--size 1024] [--rounds 20]

Beside it stands what a server does that makes lists of Python's numbers first. The run fails when what is written does
not give the same float32 numbers back.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections.abc import Callable, Sequence
from statistics import median

import orjson
import torch
from harness.options import ROUNDS, whole
from torch import Tensor

from cenote.server.encoding import VectorFormat, join_objects
from cenote.testing.bench import table


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=whole(1, 10_000), default=256)
    parser.add_argument("--size", type=whole(1, 10_000), default=1024)
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=20)
    options = parser.parse_args()
    torch.manual_seed(0)
    vectors = list(torch.nn.functional.normalize(torch.randn(options.items, options.size)).unbind())
    check(vectors)
    ways: dict[str, Callable[[], bytes]] = {
        "JSON numbers": lambda: body(vectors, VectorFormat()),
        "base64": lambda: body(vectors, VectorFormat("base64")),
        "int8 as JSON numbers": lambda: body(vectors, VectorFormat(precision="int8")),
        "raw bytes": lambda: b"".join(raw for raw, _ in VectorFormat("bytes").all_to_bytes(vectors)),
        "lists, then the standard library": lambda: json.dumps([vector.tolist() for vector in vectors]).encode(),
    }
    rows = [(name, f"{timed(way, options.rounds):,.2f}", f"{len(way()):,}") for name, way in ways.items()]
    print(f"{options.items} vectors of {options.size} components, median of {options.rounds}\n")
    print(table(("way", "ms", "bytes"), rows, "lrr"))


def body(vectors: Sequence[Tensor], written: VectorFormat) -> bytes:
    """Return a whole answer."""
    items = [b'{"index":%d,"embedding":%b}' % pair for pair in enumerate(written.all_to_json(vectors))]
    return join_objects({"object": "list"}, "data", items, {"usage": {}})


def check(vectors: Sequence[Tensor]) -> None:
    """Read what is written.

    Raises:
        SystemExit: other numbers come back.
    """
    wanted = torch.stack(list(vectors))
    numbers = orjson.loads(body(vectors, VectorFormat()))["data"]
    texts = orjson.loads(body(vectors, VectorFormat("base64")))["data"]
    raw = b"".join(base64.b64decode(item["embedding"]) for item in texts)
    found = (
        torch.tensor([item["embedding"] for item in numbers]),
        torch.frombuffer(bytearray(raw), dtype=torch.float32).reshape(wanted.shape),
    )
    if not all(torch.equal(rows, wanted) for rows in found):
        raise SystemExit("What is written gives other numbers back.")


def timed(way: Callable[[], bytes], rounds: int) -> float:
    """Return the median of some runs, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        way()
        times.append(time.perf_counter() - start)
    return median(times) * 1e3


if __name__ == "__main__":
    main()
