"""Where the model fails with a prompt, offline calls keep the other results."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.engine import LLM
from cenote.engine.loader import LoadedModel


@pytest.fixture
def llm(plain: ModuleType, model: Any) -> Any:
    def load(config: EngineConfig) -> LoadedModel:
        return LoadedModel("plain", model, None, "cpu")  # type: ignore[arg-type]

    made = LLM("plain", loader=load)
    yield made
    made.shutdown()


def test_a_nan_or_crash_becomes_the_error_of_its_prompt_alone(llm: LLM, plain: ModuleType) -> None:
    outputs = llm.embed([[1], [plain.NAN], [2], [plain.CRASH], [3]], use_tqdm=False)
    assert [item.outputs.embedding[:1] for item in outputs] == [[1.0], [], [2.0], [], [3.0]]
    assert [item.error is None for item in outputs] == [True, False, True, False, True]
    nan, crash = outputs[1].error, outputs[3].error
    assert nan is not None
    assert crash is not None
    assert "NaN or infinity" in nan.message
    assert crash.message == "The model failed (RuntimeError)."
    assert crash.code == 500
