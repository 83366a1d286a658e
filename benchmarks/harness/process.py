"""A worker seen from the harness: a process that computes when it is asked, and is stopped at all other times."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.job import Job

__all__ = ["Worker", "WorkerError", "environment", "thread_settings"]

_HOME = Path(__file__).resolve().parents[1]
#: The folder goes to the end of the path: nothing in it may stand in for a library of the peer.
_START = "import sys; sys.path.append(sys.argv[1]); from harness.workers.main import main; main(sys.argv[2])"


class WorkerError(RuntimeError):
    """A worker answered with an error, or ended."""


class Worker:
    """A peer's process, in the peer's own environment.

    Libraries keep threads that wait for work by spinning, and some have processes of their own. So that only one
    library takes time from the machine, the process and all that it started are stopped by a signal whenever it is not
    asked, and each keeps the way of waiting that it chose.

    Args:
        python: interpreter of the peer's environment.
        module: in `harness.workers`.
        threads: that any library may use.
        variables: further ones of the process's environment.
    """

    def __init__(self, python: str, module: str, *, threads: int, variables: Mapping[str, str] | None = None) -> None:
        self._log = tempfile.NamedTemporaryFile(prefix=f"cenote-{module}-", suffix=".log", mode="w+")
        self._process = subprocess.Popen(
            [python, "-P", "-c", _START, str(_HOME), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**environment(threads), **(variables or {})},
            process_group=0,  # of the same session: what is left of it ends with the harness, stopped or not
        )

    def load(self, job: Job) -> dict[str, Any]:
        """Load a model; returns its `handle`, `seconds`, `versions`, and what is `told`.

        Raises:
            WorkerError: the library failed.
        """
        return self._ask({"do": "load", "job": asdict(job)})

    def run(
        self,
        handle: int,
        inputs: Path,
        batch: int,
        *,
        save: Path | None = None,
        repeat: int = 1,
        limit: float | None = None,
        warm: Path | None = None,
    ) -> dict[str, Any]:
        """Run a loaded model on the inputs of a JSON file; returns `seconds` of each repetition and `peak_memory`.

        Args:
            handle: of the model.
            inputs: the file.
            batch: the library's batch size.
            save: where the result is written, as numpy writes it.
            repeat: how often the model runs.
            limit: seconds after which no repetition begins.
            warm: inputs on which the model runs first, off the clock.

        Raises:
            WorkerError: the library failed.
        """
        request = {"do": "run", "handle": handle, "inputs": str(inputs), "batch": batch, "repeat": repeat}
        return self._ask({**request, "save": str(save or ""), "limit": limit, "warm": str(warm or "")})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and those that it started."""
        self._signal(signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()
        self._log.close()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._signal(signal.SIGCONT)
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        self._signal(signal.SIGSTOP)
        if not line:
            raise WorkerError(f"the process ended with {self._process.wait()}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        text = Path(self._log.name).read_text(errors="replace").strip().splitlines()
        told = [line.strip() for line in text if line.strip() and not line.startswith("Extension modules")]
        return " / ".join(told[-6:])[-600:] or "it wrote nothing"


def environment(threads: int) -> dict[str, str]:
    """Return the variables of a library's process: those of this one, and `thread_settings`.

    Bytecode may be written: a library that had none would be measured at compiling each time it starts.
    """
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**own, **thread_settings(threads)}


def thread_settings(threads: int) -> dict[str, str]:
    """Return environment variables that hold every library to so many threads, and away from model hubs."""
    names: Sequence[str] = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    return {**dict.fromkeys(names, str(threads)), **offline}
