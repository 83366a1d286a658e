"""The example clients run against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "examples" / "pooling" / "embed"


def run(name: str, url: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), "--base-url", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_official_clients_example_ranks_the_definition_first(server: Any) -> None:
    printed = run("openai_client.py", f"{server.url}/v1").splitlines()
    assert "384 components" in printed[0]
    assert "A cenote is a natural pit" in printed[2]


def test_the_plain_client_gets_the_same_three_times(server: Any) -> None:
    printed = run("http_client.py", server.url).splitlines()
    assert len(printed) == 3
    assert len({line.rpartition("cosine ")[2] for line in printed}) == 1
