"""`cenote classify`: texts in, labels out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.cli.arguments import (
    FileOption,
    JsonOption,
    LoraOption,
    ModelOption,
    PromptNameOption,
    PromptOption,
    RawOption,
    TruncateOption,
    words_argument,
)
from cenote.cli.calls import CUT, check_results, loaded_model, naming_inputs
from cenote.cli.engine_options import engine_flags
from cenote.cli.show import print_json, print_table
from cenote.cli.terminal import wants_bar
from cenote.cli.texts import TextCommand, named_text, read_pairs, read_texts

if TYPE_CHECKING:
    from cenote.types import PromptType

__all__ = ["app", "classify"]

app = typer.Typer(add_completion=False)

#: Labels that the table shows behind the best one.
_RUNNERS_UP = 2


@app.command("classify", cls=TextCommand)
@engine_flags
def classify(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        words_argument("[TEXT]...", "Texts; without any, each line of --file or of standard input is one."),
    ] = None,
    model: ModelOption = None,
    file: FileOption = None,
    pair: Annotated[
        bool,
        typer.Option(
            "--pair",
            help="Classify pairs: two texts each as arguments, or lines of two texts with a tab between them or of "
            'JSON as \\["a", "b"].',
        ),
    ] = False,
    truncate: TruncateOption = False,
    raw: RawOption = False,
    prompt_name: PromptNameOption = None,
    prompt: PromptOption = None,
    lora: LoraOption = None,
    as_json: JsonOption = False,
    **options: Any,
) -> None:
    """Classify texts, or pairs of texts, and print the labels with their values.

    Example: cenote classify ./sentiment "What a day!"
    """
    with loaded_model(ctx, words, model, options, lambda given: _read(given, file, pair)) as (llm, read):
        from cenote import PoolingParams

        texts, by_argument = read
        name = named_text(by_argument=by_argument, unit="Pair" if pair else "Text")
        with naming_inputs(llm, "classify", name):
            results = llm.classify(
                [_prompt(text) for text in texts],
                use_tqdm=wants_bar(len(texts)),
                pooling_params=PoolingParams(use_activation=False if raw else None),
                tokenization_kwargs=CUT if truncate else None,
                prompt_name=prompt_name,
                prompt=prompt,
                lora=lora,
            )
        labels = llm.labels
    check_results(results, name)
    values = [dict(zip(labels, result.outputs.probs, strict=True)) for result in results]
    if as_json:
        print_json([_record(at, *both) for at, both in enumerate(zip(texts, values, strict=True))])
        return
    columns = ["text", "text pair"] if pair else ["text"]
    rows = ([*text, *_best(value)] for text, value in zip(texts, values, strict=True))
    print_table([*columns, "label", "value", "next"], columns, rows)


def _read(words: list[str], file: Path | None, pair: bool) -> tuple[list[tuple[str, ...]], bool]:
    """Return the texts, as tuples of one or two, and whether they came as arguments."""
    if pair:
        return list(read_pairs(words, file)), bool(words)
    return [(text,) for text in read_texts(words, file)], bool(words)


def _prompt(text: Sequence[str]) -> PromptType:
    return text[0] if len(text) == 1 else {"text": text[0], "text_pair": text[1]}


def _ranked(values: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda item: -item[1])


def _record(index: int, text: Sequence[str], values: dict[str, float]) -> dict[str, Any]:
    names = ("text",) if len(text) == 1 else ("text", "text_pair")
    return {"index": index, **dict(zip(names, text, strict=True)), "label": _ranked(values)[0][0], "values": values}


def _best(values: dict[str, float]) -> tuple[str, str, str]:
    (label, value), *others = _ranked(values)
    following = ", ".join(f"{other} {number:.4f}" for other, number in others[:_RUNNERS_UP])
    return label, f"{value:.4f}", following
