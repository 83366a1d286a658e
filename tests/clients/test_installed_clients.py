"""Real client packages get from a live server what the offline API gives. More of them: `make test-clients`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("client", ["openai", "cohere", "huggingface_hub"])
def test_every_call_of_a_client_gets_what_the_offline_api_gives(client: str, plan: Path) -> None:
    command = [sys.executable, str(HERE / client / "check.py"), str(plan)]
    # The hub's client refuses every address while it is offline, ours included; it asks none but ours.
    online = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
    environment = {**os.environ, **online, "PYTHONPATH": str(HERE), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert len(report) >= 8
    assert {line["call"]: line["problem"] for line in report if line["problem"]} == {}
