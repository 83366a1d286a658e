"""wrk, a load generator in C, and what it prints."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.process import WorkerError
from harness.servers import NAME, Server

__all__ = ["Wrk", "read_wrk"]

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}
_SCRIPT = """
local bodies = {%s}
local place = 0
request = function()
  place = place %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[place])
end
"""


@dataclass(frozen=True, slots=True)
class Wrk:
    """A load of single texts.

    Attributes:
        script: of the texts, which `of` writes.
    """

    script: Path

    @classmethod
    def of(cls, texts: Sequence[str], path: Path) -> Wrk:
        """Write a script that asks for one text after another."""
        bodies = (json.dumps(json.dumps({"model": NAME, "input": text}, ensure_ascii=True)) for text in texts)
        path.write_text(_SCRIPT % ", ".join(bodies))
        return cls(path)

    def warm(self, server: Server, connections: int) -> None:
        """Ask for a second, off the clock."""
        self._run(server, connections, 1)

    def ask(self, server: Server, connections: int, seconds: int) -> dict[str, float]:
        """Ask for so many seconds, and return what `read_wrk` reads."""
        return read_wrk(self._run(server, connections, seconds))

    def _run(self, server: Server, connections: int, seconds: int) -> str:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
        command += ["-s", str(self.script), server.address]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def read_wrk(text: str) -> dict[str, float]:
    """Return `requests`, `requests_per_second`, `p50` and `p99` in milliseconds from what `wrk --latency` printed.

    Raises:
        WorkerError: there were errors, or it printed something else.
    """
    if bad := re.search(r"(Non-2xx or 3xx responses: \d+|Socket errors: .*)", text):
        raise WorkerError(f"wrk: {bad[1]}")
    speed, count = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    quantiles = dict(re.findall(r"(50|99)%\s+([\d.]+(?:us|ms|s|m))", text))
    if speed is None or count is None or len(quantiles) != 2:
        raise WorkerError(f"wrk printed something else: {text[:300]}")
    return {
        "requests": float(count[1]),
        "requests_per_second": float(speed[1]),
        **{f"p{name}": _milliseconds(value) for name, value in quantiles.items()},
    }


def _milliseconds(value: str) -> float:
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", value)
    assert match is not None
    return float(match[1]) * _UNITS[match[2]]
