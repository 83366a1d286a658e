"""`cenote score`: pairs of texts in, one score each out."""

from __future__ import annotations

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
from cenote.cli.calls import check_results, loaded_model, naming_inputs
from cenote.cli.engine_options import engine_flags
from cenote.cli.pairs import name_sides, score_arguments, split_weights
from cenote.cli.show import print_json, print_table
from cenote.cli.texts import TextCommand, read_pairs
from cenote.errors import InvalidRequest

__all__ = ["app", "score"]

app = typer.Typer(add_completion=False)


@app.command("score", cls=TextCommand)
@engine_flags
def score(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        words_argument(
            "[QUERY TEXT...]",
            "The first text is scored with each other one. Without texts, each line of --file or of standard input is "
            'a pair: two texts with a tab between them, or JSON as \\["a", "b"].',
        ),
    ] = None,
    model: ModelOption = None,
    file: FileOption = None,
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
    """Score pairs of texts, in the order given.

    Example: cenote score "What is a cenote?" "A natural pit." "Bread needs flour."
    """
    shares = split_weights(weights)  # before a model is loaded
    with loaded_model(ctx, words, model, options, lambda given: _read(given, file)) as (llm, read):
        pairs, by_argument = read
        unit = "Text" if by_argument else "Line"
        first = 2 if by_argument else 1
        queries = [pairs[0][0]] if by_argument else [query for query, _ in pairs]
        task, name = name_sides(
            llm, score_type, len(queries), lambda at: f"{unit} {at + 1}", lambda at: f"{unit} {at + first}"
        )
        asked = score_arguments(
            len(pairs),
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
            results = llm.score(queries, [document for _, document in pairs], **asked)
    check_results(results, lambda at: f"{unit} {at + first}")
    scores = [result.outputs.score for result in results]
    both = [(*pair, value) for pair, value in zip(pairs, scores, strict=True)]
    if as_json:
        print_json([{"index": at, "text_1": a, "text_2": b, "score": value} for at, (a, b, value) in enumerate(both)])
        return
    print_table(["score", "text 1", "text 2"], ["text 1", "text 2"], ([f"{value:.4f}", a, b] for a, b, value in both))


def _read(words: list[str], file: Path | None) -> tuple[list[tuple[str, str]], bool]:
    """Return the pairs, and whether they came as arguments."""
    if len(words) == 1:
        raise InvalidRequest("One text alone has no score; give another one to score it with.", param="text")
    if words and file is not None:
        raise InvalidRequest("Give texts as arguments or by --file, not both.", param="file")
    return ([(words[0], text) for text in words[1:]], True) if words else (read_pairs([], file), False)
