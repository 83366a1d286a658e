"""The golden table: every family resolves to the settings expected, and gives its reference library's numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cenote.engine import LLM
from cenote.testing.compare import assert_all_close
from cenote.testing.goldens import INPUTS, ROWS, Call, GoldenRow
from cenote.types import PoolingParams

_GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
_LIMIT_BYTES = 100_000
#: What each row resolves to, by the words of `LLM.report()`: each report begins so; an empty cell is not compared.
_SETTINGS = {line["row"]: line for line in csv.DictReader((_GOLDENS / "settings.csv").read_text().splitlines())}
_CUT = {"truncate_prompt_tokens": -1}
#: Inputs of a call that are also run alone.
_ALONE = 4


@dataclass(frozen=True)
class Loaded:
    """A row with its loaded model and its numbers."""

    row: GoldenRow
    llm: LLM
    expected: Sequence[Sequence[Any]]


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.name)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    row: GoldenRow = request.param
    root = tmp_path_factory.mktemp("golden")
    options = dict(row.options)
    if row.adapters:
        options |= {"enable_lora": True, "lora_modules": {name: str(root / name) for name in row.adapters}}
    with LLM(str(row.build(root)), **options) as llm:
        yield Loaded(row, llm, [call["expected"] for call in _golden(row)["calls"]])


def _golden(row: GoldenRow) -> Any:
    return json.loads((_GOLDENS / f"{row.name}.json").read_text())


def _answers(llm: LLM, call: Call, inputs: Sequence[Any]) -> list[Any]:
    options = dict(call.options)
    params = PoolingParams(**{name: options.pop(name) for name in ("use_activation", "dimensions") if name in options})
    if call.method == "score":
        queries, documents = ([pair[side] for pair in inputs] for side in (0, 1))
        scored = llm.score(
            queries, documents, pooling_params=params, tokenization_kwargs=_CUT, use_tqdm=False, **options
        )
        return [np.asarray([output.outputs.score]) for output in scored]
    prompts = [_prompt(call, item) for item in inputs]
    if call.method == "reward":
        outputs = llm.reward(prompts, pooling_params=params, use_tqdm=False, **options)
    else:
        options |= {"tokenization_kwargs": _CUT, "use_tqdm": False}
        outputs = llm.encode(prompts, params, pooling_task=call.method, **options)
    return [output.outputs.data.to_dense().numpy() for output in outputs]


def _prompt(call: Call, item: Any) -> str | Mapping[str, Any]:
    if call.method == "reward":
        return {"messages": item}
    return item if isinstance(item, str) else {"text": item[0], "text_pair": item[1]}


def _arrays(expected: Sequence[Any]) -> list[Any]:
    return [np.atleast_1d(np.asarray(value)) for value in expected]


def test_the_settings_are_resolved_as_expected(loaded: Loaded) -> None:
    report = loaded.llm.report()
    expected = {key: value for key, value in _SETTINGS[loaded.row.name].items() if value and key != "row"}
    found = {key: report.get(key, "not reported") for key in expected}
    assert {key: found[key] for key, value in expected.items() if not found[key].startswith(value)} == {}
    assert ", ".join(sorted(loaded.llm.supported_tasks)) == expected["tasks"]


def test_the_numbers_are_those_of_the_reference_library(loaded: Loaded) -> None:
    for call, expected in zip(loaded.row.calls, loaded.expected, strict=True):
        found = _answers(loaded.llm, call, INPUTS[call.inputs])
        name = f"{loaded.row.name}: {call.method}"
        assert_all_close(found, _arrays(expected), tolerance=loaded.row.tolerance, name=name)


def test_a_batch_gives_what_each_input_gives_alone(loaded: Loaded) -> None:
    for call, expected in zip(loaded.row.calls[:1], loaded.expected, strict=False):
        inputs = INPUTS[call.inputs][-_ALONE:]
        alone = [_answers(loaded.llm, call, [item])[0] for item in inputs]
        assert_all_close(alone, _arrays(expected)[-_ALONE:], tolerance=loaded.row.tolerance, name=loaded.row.name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_numbers_were_computed_for_what_the_row_asks(row: GoldenRow) -> None:
    golden = _golden(row)
    assert golden["reference"] == row.reference
    asked = [{"method": call.method, "options": call.options, "inputs": INPUTS[call.inputs]} for call in row.calls]
    assert [{key: call[key] for key in ("method", "options", "inputs")} for call in golden["calls"]] == asked


def test_every_file_of_numbers_is_small_and_belongs_to_a_row() -> None:
    assert set(_SETTINGS) == {row.name for row in ROWS}
    files = list(_GOLDENS.glob("*.json"))
    assert {path.name for path in files} == {f"{row.name}.json" for row in ROWS}
    assert max(path.stat().st_size for path in files) < _LIMIT_BYTES
