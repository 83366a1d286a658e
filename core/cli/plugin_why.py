"""`cenote plugins why`: who serves a name, an architecture or a model, and what decides."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cenote.authoring.why import Answer
from cenote.authoring.why import why as explain
from cenote.cli.engine_options import engine_options
from cenote.cli.imports import spared_output, told_below
from cenote.cli.options import with_flags
from cenote.cli.terminal import printable
from cenote.config.engine import EngineConfig
from cenote.registry.explain import Claim

__all__ = ["why"]

#: Options that have a part in choosing an adapter.
_ASKED = ("adapter", "convert", "runner", "hf_overrides", "hf_token", "revision", "trust_remote_code")
_COLOURS = {"fits": "green", "discovered": "green", "active": "green", "does not fit": "dim", "failed": "red"}


@with_flags(EngineConfig, skip=[name for name in EngineConfig.model_fields if name not in _ASKED])
def why(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_MODEL",
            help="A folder or hub id, an architecture of config.json, GROUP/NAME such as io_processors/pdf-pages, or "
            "the name of a plugin or a distribution.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead of text.")] = False,
    **options: Any,
) -> None:
    """Explain which plugin serves a name, an architecture or a model, and why.

    Of a checkpoint, each candidate is shown with the markers that hold (+) and those that do not (-). The exit code is
    1 where nothing serves it.
    """
    config = EngineConfig.from_options(model=asked, **engine_options(options))  # refuses what loading would refuse
    with spared_output(), told_below():
        answer = explain(asked, {name: getattr(config, name) for name in _ASKED})
    if as_json:
        print(json.dumps(answer.record(), indent=2))
    else:
        _print(answer)
    if answer.winner is None:
        raise typer.Exit(1)


def _print(answer: Answer) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    if answer.kind == "plugin":
        for row in answer.offers:
            source = f"{row.distribution} {row.version}".rstrip()
            line = f"{row.kind} {row.name} of {source}: {row.state}"
            text = printable(line + (f": {row.detail}" if row.detail else ""))
            console.print(Text(text, style=_COLOURS.get(row.state, "yellow")))
    for name in dict.fromkeys((*answer.names, *(claim.name for claim in answer.claims))):
        claims = [claim for claim in answer.claims if claim.name == name]
        console.print(Text(name if claims else f"{name}: nothing installed is registered for it", style="bold"))
        for claim in claims:
            console.print(Text(printable(_line(claim, answer)), style=_COLOURS.get(claim.standing, "yellow")))
            for marker, holds in claim.markers.items() if answer.kind == "model" else ():
                console.print(Text(printable(f"    {'+' if holds else '-'} {marker}")))
    for line in (*_conclusion(answer), *answer.advice):
        console.print(Text(printable(line)))


def _line(claim: Claim, answer: Answer) -> str:
    source = f"{claim.distribution} {claim.version}".rstrip()
    standing: str = claim.standing
    if answer.kind == "architecture" and standing == "does not fit":
        standing = f"needs {' and '.join(claim.markers)}"
    detail = f": {claim.detail}" if claim.detail else ""
    return f"  {claim.spec or 'a spec'} of {source}: {standing}{detail}"


def _conclusion(answer: Answer) -> list[str]:
    lines = []
    if answer.goal and answer.kind == "model":
        lines.append(f"{answer.goal[:1].upper()}{answer.goal[1:]}.")
    if answer.kind == "architecture":
        lines.append("A checkpoint of which nothing else is known:")
    if answer.winner is None and any(claim.detail and claim.detail in answer.decision for claim in answer.claims):
        lines.append("None of them can be used.")
    elif answer.decision:
        lines.append(f"Chosen: {answer.decision}" if answer.winner else answer.decision)
    rule = answer.rule
    if rule is not None:
        becomes = f"runner {rule.runner!r}, by default {rule.convert!r}"
        lines.append(f"Convert rule for {rule.suffix!r}, at place {rule.order}: {becomes}.")
    return lines
