"""`cenote plugins check`: whether an installed plugin is as it should be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from cenote.authoring.check import CONFORMANCE_FACTOR, check_distributions
from cenote.authoring.findings import Finding
from cenote.cli.group import COMMANDS
from cenote.cli.table import BUILT_IN
from cenote.cli.terminal import printable
from cenote.outputs.codecs import CODECS, PLAIN

__all__ = ["check"]

_COLOURS = {"passed": "green", "failed": "red", "not run": "yellow"}


def check(
    distributions: Annotated[
        list[str] | None, typer.Argument(metavar="[DIST]...", help="Distributions; none are all plugins.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of lines.")] = False,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1, help=f"Longest time for one import; {CONFORMANCE_FACTOR} times it for conformance tests."
        ),
    ] = 60.0,
    conformance: Annotated[bool, typer.Option(help="Run the conformance kit as well.")] = True,
) -> None:
    """Check installed plugins: their metadata, what importing them does, and the conformance kit.

    The code of plugins runs in processes of its own. The exit code is 1 where a check failed.
    """
    found = check_distributions(
        distributions or (),
        seconds=seconds,
        conformance=conformance,
        reserved={COMMANDS: frozenset(BUILT_IN), CODECS: frozenset({PLAIN})},
    )
    findings = list(found) if as_json else _print(found)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.outcome == "failed" for finding in findings):
        raise typer.Exit(1)


def _print(findings: Iterable[Finding]) -> list[Finding]:
    """Print each finding as it comes, and a line of counts."""
    from rich.console import Console
    from rich.text import Text

    console, kept = Console(soft_wrap=True, highlight=False), []
    for finding in findings:
        kept.append(finding)
        place = f"{finding.distribution} {finding.subject}".rstrip()
        line = Text(f"{finding.outcome:8}", style=_COLOURS[finding.outcome])
        console.print(line, printable(f"{place}: {finding.check}: {finding.text}"), markup=False)
    counts = Counter[str](finding.outcome for finding in kept)
    console.print(", ".join(f"{counts[outcome]} {outcome}" for outcome in _COLOURS) if kept else "No plugins to check.")
    return kept
