"""`cenote rerank`: a query and documents in, the documents by score out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cenote.cli.arguments import (
    FileOption,
    InstructionOption,
    JsonOption,
    LoraOption,
    ModelOption,
    PoolFactorOption,
    RawOption,
    ScoreTypeOption,
    TruncateOption,
    UsePromptsOption,
    WeightsOption,
    words_argument,
)
from cenote.cli.calls import loaded_model, naming_inputs
from cenote.cli.engine_options import engine_flags
from cenote.cli.pairs import name_sides, score_arguments, split_weights
from cenote.cli.show import print_json, print_table
from cenote.cli.texts import TextCommand, named_text, read_texts
from cenote.errors import InvalidRequest

__all__ = ["app", "rerank"]

app = typer.Typer(add_completion=False)


@app.command("rerank", cls=TextCommand)
@engine_flags
def rerank(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        words_argument(
            "QUERY [DOCUMENT]...",
            "A query and its documents; without documents, each line of --file or of standard input is one.",
        ),
    ] = None,
    model: ModelOption = None,
    file: FileOption = None,
    top_n: Annotated[int | None, typer.Option(min=1, help="Show only the best so many. \\[default: all]")] = None,
    instruction: InstructionOption = None,
    score_type: ScoreTypeOption = None,
    use_prompts: UsePromptsOption = False,
    weights: WeightsOption = None,
    pool_factor: PoolFactorOption = None,
    truncate: TruncateOption = False,
    raw: RawOption = False,
    lora: LoraOption = None,
    as_json: JsonOption = False,
    **options: Any,
) -> None:
    """Sort documents by how well they answer a query, best first.

    Example: cenote rerank "What is a cenote?" "A natural pit." "Bread needs flour."
    """
    shares = split_weights(weights)  # before a model is loaded
    with loaded_model(ctx, words, model, options, lambda given: _read(given, file)) as (llm, read):
        query, documents, by_argument = read
        task, name = name_sides(
            llm, score_type, 1, lambda _: "The query", named_text(by_argument=by_argument, unit="Document")
        )
        asked = score_arguments(
            len(documents),
            truncate=truncate,
            raw=raw,
            instruction=instruction,
            score_type=score_type,
            use_prompts=use_prompts,
            weights=shares,
            pool_factor=pool_factor,
            lora=lora,
        )
        with naming_inputs(llm, task, name):
            results = llm.rerank(query, documents, top_n=top_n, **asked)
    if as_json:
        print_json([asdict(result) for result in results])
        return
    rows = ([str(rank), f"{item.score:.4f}", str(item.index), item.document] for rank, item in enumerate(results, 1))
    print_table(["rank", "score", "index", "document"], ["document"], rows)


def _read(words: list[str], file: Path | None) -> tuple[str, list[str], bool]:
    """Return the query, the documents, and whether these came as arguments."""
    if not words:
        text = "There is no query. Give it as the first text, and documents after it, by --file or on standard input."
        raise InvalidRequest(text, param="query")
    return words[0], read_texts(words[1:], file), len(words) > 1
