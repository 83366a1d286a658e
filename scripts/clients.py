"""Run real client packages, each in an environment of its own, against a live server; write docs/clients.md.

    make test-clients                         # all of them
    make test-clients ARGS="litellm haystack"  # some, without writing the document

The environments hold a client and nothing of cenote, and stay in .clients for the next time. Clients whose calls do
not all get what the offline API gives make the command fail.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client_plan import live_plan

__all__ = ["CLIENTS", "Client", "main"]

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / ".clients"
SCRIPTS = ROOT / "tests" / "clients"
DOCUMENT = ROOT / "docs" / "clients.md"


@dataclass(frozen=True)
class Client:
    """One environment.

    Attributes:
        name: of its folder.
        script: folder of its script in tests/clients.
        packages: what is installed and shown, each with its version.
        beside: what these need and do not ask for.
    """

    name: str
    script: str
    packages: tuple[str, ...]
    beside: tuple[str, ...] = field(default=())


CLIENTS = (
    Client("openai", "openai", ("openai==3.52.0",)),
    Client("cohere-5", "cohere", ("cohere==5.21.1",)),
    Client("cohere-7", "cohere", ("cohere==7.3.1",)),
    Client("voyageai", "voyageai", ("voyageai==0.5.0",)),
    Client("huggingface-hub", "huggingface_hub", ("huggingface_hub==2.4.0",), ("numpy==2.4.6",)),
    Client("langchain-openai", "langchain_openai", ("langchain-openai==1.7.3",)),
    Client("langchain-cohere", "langchain_cohere", ("langchain-cohere==0.6.0", "cohere==5.21.1")),
    Client(
        "llama-index",
        "llama_index",
        ("llama-index-embeddings-openai==0.7.0", "llama-index-embeddings-text-embeddings-inference==0.6.0"),
    ),
    Client(
        "llama-index-cohere",
        "llama_index_cohere",
        ("llama-index-embeddings-cohere==0.9.0", "llama-index-postprocessor-cohere-rerank==0.10.0"),
    ),
    Client("haystack", "haystack", ("haystack-ai==3.4.0", "huggingface-api-haystack==3.1.0")),
    Client("litellm", "litellm", ("litellm==1.106.2",)),
)


def main() -> None:
    """Run the clients of the command line, or all and store the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CLIENT", help=", ".join(client.name for client in CLIENTS))
    names = parser.parse_args().names
    if unknown := set(names) - {client.name for client in CLIENTS}:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    chosen = [client for client in CLIENTS if not names or client.name in names]
    for client in chosen:
        install(client)
    reports = dict(run_all(chosen))
    for client in chosen:
        for line in reports[client.name]:
            print(f"{'ok    ' if line['problem'] is None else 'FAILED'} {client.name}: {line['call']}")
            if line["problem"]:
                print(line["problem"])
    if not names:
        DOCUMENT.write_text(document(reports))
    failed = sum(line["problem"] is not None for lines in reports.values() for line in lines)
    sys.exit(f"{failed} calls failed" if failed else 0)


def install(client: Client) -> None:
    """Create the client's environment, unless it holds these versions already."""
    folder = ENVIRONMENTS / client.name
    stamp, wanted = folder / "cenote-client", "\n".join((sys.version, *client.packages, *client.beside))
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    print(f"Installing {', '.join(client.packages)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, *client.packages, *client.beside], check=True)
    stamp.write_text(wanted)


def run_all(clients: Sequence[Client]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give each client's report, all of them with the same server."""
    with tempfile.TemporaryDirectory() as folder, live_plan(Path(folder)) as plan:
        for client in clients:
            yield client.name, run(client, plan)


def run(client: Client, plan: Path) -> list[dict[str, Any]]:
    """Return the report of a client's script: one line per call."""
    python = ENVIRONMENTS / client.name / "bin" / "python"
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(SCRIPTS), "PYTHONSAFEPATH": "1"}
    command = [str(python), str(SCRIPTS / client.script / "check.py"), str(plan)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    if done.returncode != 0:
        return [{"call": "start", "difference": None, "problem": done.stderr[-2000:]}]
    report: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return report


def document(reports: dict[str, list[dict[str, Any]]]) -> str:
    """Return docs/clients.md."""
    head = f"""# Clients that run against cenote

Real packages from PyPI, each in an environment of its own, against one live server with a key, which serves
`all-MiniLM-L6-v2` and three small models. A call is right if all that the client returned is what the offline API
gives, or the error is the one that the list says; the last column is the largest difference of a number.

`make test-clients` repeats it and writes this page. The programs show how each client is pointed at cenote. `openai`,
`cohere` 7 and `huggingface_hub` run in every `make test` as well.

Last run: {datetime.date.today().isoformat()}, Python {sys.version.split()[0]}.
"""
    rows = ["| client | calls | right | largest difference |", "| --- | ---: | ---: | ---: |"]
    rows += [_summary(client, reports[client.name]) for client in CLIENTS]
    parts = [head, "\n".join(rows) + "\n"]
    for client in CLIENTS:
        program = f"[program](../tests/clients/{client.script}/check.py)"
        calls = "\n".join(_line(line) for line in reports[client.name])
        parts.append(f"## {client.name}\n\nThe {program} calls:\n\n{calls}\n")
    return "\n".join(parts)


def _summary(client: Client, lines: Sequence[dict[str, Any]]) -> str:
    largest = max((line["difference"] or 0.0 for line in lines), default=0.0)
    right = sum(line["problem"] is None for line in lines)
    names = ", ".join(f"`{package.replace('==', ' ')}`" for package in client.packages)
    return f"| {names} | {len(lines)} | {right} | {largest:.1e} |"


def _line(line: dict[str, Any]) -> str:
    return f"* {line['call']}{'' if line['problem'] is None else ': **wrong**'}"


if __name__ == "__main__":
    main()
