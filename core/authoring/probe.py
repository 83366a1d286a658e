"""The process in which plugins are imported to be checked: `python -m cenote.authoring.probe`.

It reads steps from standard input as JSON, and writes one JSON object per line of what it is about to do and of what it
found. A plugin that hangs, crashes or ends the process takes this one with it, and not the one that asked.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from cenote.authoring.probe_targets import look_at, try_code
from cenote.authoring.steps import Report, Step, spoils

__all__ = ["main"]


def main() -> None:
    """Do the steps; ends the process."""
    # What plugins print must not mix with what is reported.
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    useless = set()
    for fields in json.load(sys.stdin):
        step = Step(**{**fields, "names": tuple(fields["names"])})
        for report in () if step.target in useless else _do(step):
            _write(reports, report)
            if spoils(report):
                useless.add(step.target)
        _write(reports, {"done": True})
    os._exit(0)  # threads that a plugin started must not keep the process


def _do(step: Step) -> Iterator[Report]:
    try:
        yield from look_at(step) if step.stage == "import" else try_code(step)
    except BaseException as exc:  # a plugin's own code runs there
        yield {"check": step.stage, "outcome": "failed", "text": f"{type(exc).__name__}: {exc}"}


def _write(reports: TextIO, report: Report) -> None:
    reports.write(json.dumps(report) + "\n")
    reports.flush()


if __name__ == "__main__":
    main()
