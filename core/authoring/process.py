"""Running checks in processes of their own, each step within a time limit."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from cenote.authoring.steps import Report, Step, spoils

__all__ = ["environment", "kill", "run_steps"]

#: Variables that choose among plugins. What is checked takes part, whatever they say.
_SELECTION = ("CENOTE_PLUGINS", "CENOTE_DISABLE_PLUGINS", "CENOTE_PLUGIN_CONFIG", "CENOTE_TRACE_PLUGINS")
#: Seconds that a process may take to start, before it is told anything to do.
_START = 60.0


def run_steps(steps: Sequence[Step], seconds: float) -> Iterator[tuple[Step, Report]]:
    """Do steps in another process, and in a further one where a step ends it.

    Args:
        steps: in their order.
        seconds: longest time without a sign of life.

    Yields:
        Each step with one line that the process reported of it: `{"check", "outcome", "text"}` or `{"kit"}`. A step
        that hangs or ends the process fails. Of a target that cannot be used, the later steps are left out.
    """
    left, useless = list(steps), set()
    while left:
        with _Process(left) as process:
            for report in process.reports(seconds):
                step = left[0]
                if "done" in report:
                    left.pop(0)
                    if not left:
                        return
                    continue
                if "lost" in report:
                    report = {"check": step.stage, "outcome": "failed", "text": report["lost"]}
                    useless.add(step.target)
                elif spoils(report):
                    useless.add(step.target)
                yield step, report
        left = [step for step in left if step.target not in useless]


def environment() -> dict[str, str]:
    """Return the variables of a process in which plugins are tried."""
    return {name: value for name, value in os.environ.items() if name not in _SELECTION}


def kill(process: subprocess.Popen[Any]) -> None:
    """End a process that leads a group, and whatever it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


class _Process:
    """One process that does steps, and the lines that it writes."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cenote-check-")
        self._errors = Path(self._folder.name) / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                # -P keeps the working directory off the path: files there must not stand in for what is installed.
                [sys.executable, "-P", "-m", "cenote.authoring.probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=_collect, args=(self._process.stdout, self._lines.put), daemon=True)
        self._reader.start()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as orders:
            orders.write(json.dumps([asdict(step) for step in steps]))

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *error: object) -> None:
        kill(self._process)
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def reports(self, seconds: float) -> Iterator[Report]:
        """Yield what is reported until the process ends or is silent for too long; then `{"lost": why}`."""
        doing, patience = "starting", _START
        while True:
            try:
                line = self._lines.get(timeout=patience)
            except queue.Empty:
                yield {"lost": f"{doing} did not end within {patience:g} s; do such work in functions"}
                return
            if line is None:
                yield {"lost": f"{doing} ended the process {self._ending()}"}
                return
            report: Report = json.loads(line)
            patience = seconds
            doing = report.get("at", doing)
            if "at" not in report:
                yield report

    def _ending(self) -> str:
        code = self._process.wait()
        how = f"with status {code}" if code >= 0 else f"by the signal {signal.Signals(-code).name}"
        said = self._errors.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "")
        return f"{how}; it last said: {last}" if last else how


def _collect(stream: IO[str] | None, put: Callable[[str | None], None]) -> None:
    for line in stream or ():
        put(line)
    put(None)
