"""`cenote bench`: throughput on this machine, beside other libraries in the same run."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Measure throughput on this machine, beside other libraries.")


@app.callback()
def bench() -> None:
    """Keep `embed` a subcommand although it is the only one."""


@app.command()
def embed(
    model: Annotated[
        str | None, typer.Argument(help="Folder or hub id; the demonstration model where left out.")
    ] = None,
    texts: Annotated[int, typer.Option(min=1, help="How many docstrings of Python's standard library.")] = 1000,
    against: Annotated[
        list[str] | None,
        typer.Option(help="sentence-transformers or transformers; may be repeated. Both where left out."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each library runs; the median counts.")] = 3,
    max_tokens: Annotated[int, typer.Option(min=3, help="Longer texts are cut.")] = 256,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Embed real texts offline with cenote and its peers in turns, and check that the vectors agree."""
    import json as encoder

    from cenote.testing.bench import PEERS, compare_embedding
    from cenote.testing.corpus import docstrings

    report = compare_embedding(
        docstrings(texts), model=model, against=against or PEERS, rounds=rounds, max_tokens=max_tokens
    )
    typer.echo(encoder.dumps(report.as_json(), indent=2) if json else report.as_text())
