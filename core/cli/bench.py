"""`cenote bench`: throughput on this machine, of models beside other libraries, and of kernels beside each other."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Measure throughput on this machine.")


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


@app.command()
def kernels(
    operators: Annotated[
        list[str] | None, typer.Argument(help="Such as varlen_attention; all of them where left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where they run, such as cpu or cuda.")] = "cpu",
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="float32, float16 or bfloat16; may be repeated. Those that are usual there where left out."),
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Rows of the inputs.")] = 4096,
    rounds: Annotated[int, typer.Option(min=1, help="How often each backend runs; the median counts.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Time every backend of every operator, and compare it with the reference and with the machine's limits.

    The exit status is 1 where a backend gives wrong numbers.
    """
    import json as encoder

    from cenote.testing.bench.kernels import compare_kernels

    report = compare_kernels(operators or (), device=device, dtypes=dtype or (), tokens=tokens, rounds=rounds)
    typer.echo(encoder.dumps(report.as_json(), indent=2) if json else report.as_text())
    for fault in report.faults():
        typer.echo(fault, err=True)
    if report.faults():
        raise typer.Exit(1)
