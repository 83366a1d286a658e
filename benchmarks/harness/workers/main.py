"""The loop of a worker: one JSON object a line comes in, one goes out.

Asked `load` with the fields of a `Job`, it answers a `handle`, the seconds that took, the library's versions and what
it tells of how it computes. Asked
`run` with a handle, a file of inputs and a batch size, it answers the seconds of every repetition and the peak of its
resident memory, the share of the machine that other processes took meanwhile (`others`), and writes the result where
`save` says. Inputs of a further file, `warm`, run first off the clock. A failure is answered as `error`, and the loop
goes on.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from harness.job import Job, Runner

__all__ = ["answers", "main", "peak_memory"]

#: Seconds below which the share of other processes is not told: the system counts in hundredths.
_TOLD = 0.2


def main(module: str) -> None:
    """Serve the library of `harness.workers.<module>` on the standard streams until the input ends.

    What libraries print goes to standard error, so that nothing but answers reaches the harness.
    """
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    faulthandler.enable()
    serve(module, sys.stdin, out)


def serve(module: str, lines: Iterable[str], out: TextIO) -> None:
    """Write one answer per line of input."""
    for answer in answers(module, lines):
        out.write(json.dumps(answer) + "\n")
        out.flush()


def answers(module: str, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the answers to requests, one per line."""
    runners: list[Runner] = []
    for line in lines:
        try:
            yield _answer(module, json.loads(line), runners)
        except Exception as error:  # of any library; the harness shows it beside the contestant's name
            traceback.print_exc()
            yield {"error": f"{type(error).__name__}: {error}"[:500]}


def peak_memory() -> int:
    """Return the peak of this process's resident memory in bytes.

    On Linux that is `VmHWM`: `ru_maxrss` begins with what the process that started this one held, where that shared its
    memory until the program was executed (`vfork`).
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def _answer(module: str, request: dict[str, Any], runners: list[Runner]) -> dict[str, Any]:
    if request["do"] == "load":
        begin = time.perf_counter()
        library = importlib.import_module(f"harness.workers.{module}")
        runners.append(library.load(Job(**request["job"])))
        seconds, told = time.perf_counter() - begin, dict(getattr(runners[-1], "told", {}))
        versions = _versions(library.PACKAGES)
        return {"handle": len(runners) - 1, "seconds": seconds, "versions": versions, "told": told}
    if request["do"] == "run":
        return _run(runners[request["handle"]], request)
    raise ValueError(f"A worker can load and run; it was asked for {request['do']!r}.")


def _run(runner: Runner, request: dict[str, Any]) -> dict[str, Any]:
    inputs = _inputs(request["inputs"])
    if request.get("warm"):
        runner(_inputs(request["warm"]), request["batch"])
    seconds, result = list[float](), None
    begun, busy, cpu = time.perf_counter(), _busy(), _spent()
    while len(seconds) < request.get("repeat", 1) and sum(seconds) < (request.get("limit") or float("inf")):
        begin = time.perf_counter()
        result = runner(inputs, request["batch"])
        seconds.append(time.perf_counter() - begin)
    elapsed, others = time.perf_counter() - begun, (_busy() - busy) - (_spent() - cpu)
    if request.get("save"):
        import numpy

        numpy.save(request["save"], numpy.asarray(result, dtype=numpy.float32))
    share = others / elapsed / (os.cpu_count() or 1) if elapsed > _TOLD else 0.0
    return {"seconds": seconds, "others": min(1.0, max(0.0, share)), "peak_memory": peak_memory()}


def _busy() -> float:
    """Return the seconds that all processors have worked, or could not for another machine, since the system began."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, *others = map(int, file.readline().split()[1:9])
    except OSError:  # no Linux
        return 0.0
    return float(user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def _spent() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _inputs(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _versions(packages: Iterable[str]) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in packages}
