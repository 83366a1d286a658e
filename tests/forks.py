"""Programs in forks of one process that has imported what they need, since importing torch takes seconds.

A fork is a process of its own: exit status, signals, streams, folder and environment. What it has beside a fresh one
are modules, so tests of imports, and of variables that are read on import, need a fresh one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

__all__ = ["COMMAND_LINE", "LISTING", "LOADING", "Fork", "Forks", "forking"]

#: The program of the command line, and what commands import: those that load no torch, and those that run a model.
COMMAND_LINE = "from cenote.cli import main; main()"
LISTING = """
import cenote.cli.embed, cenote.cli.env, cenote.cli.models, cenote.cli.plugins
import importlib_metadata, rich.console, rich.panel, rich.table, typer.rich_utils
"""
LOADING = """
import cenote.adapters.embed, cenote.adapters.fused.fuse, cenote.cli.serve, cenote.engine.llm
import cenote.server.banner, cenote.server.log, cenote.server.run, cenote.server.sockets
from cenote.checkpoints.deferred import prepare_transformers
prepare_transformers()
import cenote.checkpoints.backbone, cenote.checkpoints.tokenizers
"""
#: Forks twice for each job: the first fork tells the number of the second, waits for it and tells its status.
_PROGRAM = """
import atexit, contextlib, gc, json, os, socket, sys, threading, traceback
jobs = socket.socket(fileno=int(sys.argv[1]))
exec(sys.argv[2])
gc.freeze()
while True:
    text, files, _, _ = socket.recv_fds(jobs, 1 << 20, 4)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass  # forks that ended
    if not text:
        os._exit(0)
    if os.fork() == 0:
        break
    for file in files:
        os.close(file)
jobs.close()
told = files.pop()
if (command := os.fork()) != 0:
    for file in (0, 1, 2, *files):
        os.close(file)
    os.write(told, b"%d\\n" % command)
    os.write(told, b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
    os._exit(0)
os.close(told)
for place, file in enumerate(files):
    os.dup2(file, place)
    os.close(file)
job = json.loads(text)
os.chdir(job["folder"])
os.environ.clear()
os.environ.update(job["environment"])
sys.path[1:1] = [folder for folder in os.environ.get("PYTHONPATH", "").split(":") if folder]
sys.argv = ["-c", *job["arguments"]]
status = 0
try:
    exec(job["program"])
except SystemExit as end:
    status = end.code
except BaseException:
    traceback.print_exc()
    status = 1
threading._shutdown()
atexit._run_exitfuncs()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status or 0)  # taking torch's objects to pieces would last longer than most programs
"""


class Fork:
    """A process that was started."""

    def __init__(self, status: IO[bytes]) -> None:
        self._status = status
        self.pid = int(status.readline())
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status once it has ended; that of a signal is negative."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise TimeoutError(f"still running after {timeout} s")
            with self._status as status:
                self.returncode = int(status.readline())
        return self.returncode

    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        with contextlib.suppress(TimeoutError):
            self.wait(0)
        return self.returncode is None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.is_running():
            os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)
        self.wait()


class Forks:
    """Starts programs."""

    def __init__(self, jobs: socket.socket) -> None:
        self._jobs = jobs

    def start(
        self,
        arguments: Sequence[str],
        streams: Sequence[int],
        *,
        program: str = COMMAND_LINE,
        environment: Mapping[str, str] = os.environ,
        folder: Path | str = ".",
    ) -> Fork:
        """Run a program text with the files of three streams."""
        job = {"program": program, "arguments": arguments, "folder": str(Path(folder).resolve())}
        status, told = os.pipe()
        message = json.dumps({**job, "environment": dict(environment)}).encode()
        socket.send_fds(self._jobs, [message], [*streams, told])
        os.close(told)
        return Fork(os.fdopen(status, "rb", buffering=0))

    def run(
        self,
        arguments: Sequence[str],
        *,
        stdin: str = "",
        timeout: float = 60,
        program: str = COMMAND_LINE,
        **more: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program text to its end and collect what it prints, as `subprocess.run` does."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3)]
            files[0].write(stdin)
            files[0].seek(0)
            fork = self.start(arguments, [file.fileno() for file in files], program=program, **more)
            stack.callback(fork.end)
            status = fork.wait(timeout)
            for file in files:
                file.seek(0)
            return subprocess.CompletedProcess(list(arguments), status, files[1].read(), files[2].read())


@contextlib.contextmanager
def forking(imports: str = LOADING) -> Iterator[Forks]:
    """Import what a program text names in a process of its own, and give what forks it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), imports]
    with theirs:
        process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment, start_new_session=True
        )
    try:
        with ours:
            yield Forks(ours)
    finally:
        process.wait()
