"""A server in a process of its own, started as a user starts it, for tests that know nothing but its address."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["serving"]

_PROGRAM = "from cenote.cli import main; main()"
_LAST_LINE = "stop      Ctrl+C"


@contextlib.contextmanager
def serving(
    log: Path, *arguments: str, environment: dict[str, str] | None = None, python: str = sys.executable
) -> Iterator[str]:
    """Run `cenote serve` on a free port of this machine, and end it afterwards.

    Args:
        log: file that receives what the server writes to its error stream.
        arguments: models and options of `cenote serve`; the address is given already.
        environment: variables beside those of this process. No model hub is asked.
        python: the interpreter of the environment that the server runs in.

    Yields:
        Its address, as in `http://127.0.0.1:43210`, once it is ready.

    Raises:
        RuntimeError: it ended before it was ready; the text is its log.
    """
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", **(environment or {})}
    command = [python, "-P", "-c", _PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0", *arguments]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=variables)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """Read the banner to its last line, and return the address in it."""
    banner = ""
    for line in process.stdout or ():
        banner += line
        if _LAST_LINE in line:
            break
    found = re.search(r"ready at (http://\S+)", banner)
    if found is None:
        raise RuntimeError(f"The server ended before it was ready:\n{log.read_text()}")
    return found[1]
