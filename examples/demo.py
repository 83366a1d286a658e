"""A tour on the real all-MiniLM-L6-v2: start a server, embed and rank over HTTP, list the plugins, stop the server.

make demo
"""

from __future__ import annotations

import contextlib
import math
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

CENOTE = Path(sys.executable).with_name("cenote")
START_SECONDS = 300
STOP_SECONDS = 30

TEXTS = ["A cenote is a natural pit.", "The water below lies open.", "Bread needs flour, water and salt."]
QUERY = "How do I sort a list by a key?"
DOCUMENTS = [
    "list.sort(key=len) orders the elements in place by their length.",
    "The committee will meet on Thursday.",
    "sorted() returns a new list; its key argument is called once per element.",
    "A list of all train stations is printed on the back.",
]


@contextlib.contextmanager
def running_server(console: Console) -> Iterator[httpx.Client]:
    """Start `cenote serve` on a free port, wait until it is ready, and stop it at the end.

    Raises:
        SystemExit: the server did not start, or did not stop cleanly.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(CENOTE), "serve", "--host", "127.0.0.1", "--port", str(port), "--uvicorn-log-level", "warning"]
    console.print("$", " ".join(["cenote", *command[1:]]), highlight=False)
    server = subprocess.Popen(command)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until_ready(client, server)
            yield client
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            code = server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            code = server.wait()
    if code != 0:
        raise SystemExit(f"The server ended with {code}.")
    console.print("The server stopped cleanly.")


def wait_until_ready(client: httpx.Client, server: subprocess.Popen[bytes]) -> None:
    """Ask /health until it answers 200."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/health").status_code == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"The server was not ready within {START_SECONDS} s (exit code {server.poll()}).")


def embed(client: httpx.Client, texts: Sequence[str]) -> list[list[float]]:
    """Return one vector per text, from POST /v1/embeddings."""
    response = client.post("/v1/embeddings", json={"input": list(texts)})
    response.raise_for_status()
    return [item["embedding"] for item in response.json()["data"]]


def show_embeddings(console: Console, client: httpx.Client) -> None:
    """Print the first numbers of a few vectors."""
    table = Table("text", "dimensions", "length", "first numbers", title="POST /v1/embeddings")
    for text, vector in zip(TEXTS, embed(client, TEXTS), strict=True):
        first = " ".join(f"{value:+.4f}" for value in vector[:3])
        table.add_row(text, str(len(vector)), f"{math.hypot(*vector):.4f}", first)
    console.print(table)


def show_ranking(console: Console, client: httpx.Client) -> None:
    """Rank documents by the cosine of their vectors with the query's; the vectors have length 1."""
    query, *documents = embed(client, [QUERY, *DOCUMENTS])
    scores = [sum(a * b for a, b in zip(query, vector, strict=True)) for vector in documents]
    table = Table("rank", "cosine", "document", title=f"Ranking for {QUERY!r}")
    for rank, (score, document) in enumerate(sorted(zip(scores, DOCUMENTS, strict=True), reverse=True), 1):
        table.add_row(str(rank), f"{score:.4f}", document)
    console.print(table)


def show_plugins(console: Console, client: httpx.Client) -> None:
    """Print what is installed on the server."""
    response = client.get("/plugins")
    response.raise_for_status()
    columns = ("name", "kind", "distribution", "version", "tasks", "state")
    table = Table(title="GET /plugins", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name != "tasks")
    for row in response.json()["data"]:
        table.add_row(*(", ".join(row[name]) if name == "tasks" else row[name] for name in columns))
    console.print(table)


def main() -> None:
    """Run the tour."""
    console = Console()
    with running_server(console) as client:
        show_embeddings(console, client)
        show_ranking(console, client)
        show_plugins(console, client)


if __name__ == "__main__":
    main()
