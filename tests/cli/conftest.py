"""The command line in processes that begin as forks, since most tests here need many that end soon."""

from __future__ import annotations

import functools
import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cenote.cli import main

_FORKS = runpy.run_path(str(Path(__file__).parents[1] / "forks.py"))


@pytest.fixture(scope="session")
def forks() -> Iterator[Any]:
    """Forks of a process that has imported what commands need before they load torch."""
    with _FORKS["forking"](_FORKS["LISTING"]) as found:
        yield found


@pytest.fixture
def site(site: Any, forks: Any) -> Any:
    """The same folder, seen by forks: `fork` runs a program and `cenote` a command line, which `fresh` starts anew."""

    def fork(program: str, *arguments: str, timeout: float = 60, stdin: str = "", **variables: str) -> Any:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("CENOTE_")}
        seen = {"PYTHONPATH": str(site.folder), "COLUMNS": "200", "NO_COLOR": "1"}
        place = {"environment": {**inherited, **seen, **variables}, "folder": site.folder}
        return forks.run(arguments, program=program, stdin=stdin, timeout=timeout, **place)

    site.fresh, site.fork, site.cenote = site.cenote, fork, functools.partial(fork, _FORKS["COMMAND_LINE"])
    return site


@pytest.fixture
def loggers() -> Iterator[None]:
    """Take back what a command set up of logging."""
    found = [logging.getLogger(name) for name in ("cenote", "uvicorn", "uvicorn.access", "uvicorn.error")]
    before = [(each.level, each.propagate, list(each.handlers)) for each in found]
    yield
    for each, (level, propagate, handlers) in zip(found, before, strict=True):
        each.setLevel(level)
        each.propagate, each.handlers = propagate, handlers


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], loggers: None) -> Any:
    """Run the command line in this process, which has torch already, and collect what it prints; no hub is asked."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["cenote", *words])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(end.value.code or 0), printed.out, printed.err)

    return run
