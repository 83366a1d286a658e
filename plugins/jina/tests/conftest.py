"""The reference: transformers' class with the weights of one task merged by the published formulas."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model, XLMRobertaTokenizer

from cenote.testing.checkpoints import build_checkpoint

_MAX_TOKENS = 128
_PARAMETRIZED = ".parametrizations.weight."


class Reference:
    """What the published code computes, one text at a time, without padding and in float32."""

    def __init__(self, folder: Path, *, base: float | None = None) -> None:
        self.folder = folder
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self.tokenizer = XLMRobertaTokenizer.from_pretrained(folder)
        self.theta = base or self.config["rotary_emb_base"]
        self.model = lru_cache(self._model)

    def _model(self, task: str | None) -> Any:
        known = {key: self.config[key] for key in JinaEmbeddingsV3Config().to_dict() if key in self.config}
        known |= {"rope_parameters": {"rope_type": "default", "rope_theta": self.theta}}
        config = JinaEmbeddingsV3Config(**known)
        model, info = JinaEmbeddingsV3Model.from_pretrained(
            None, config=config, state_dict=self._merged(task), output_loading_info=True
        )
        assert not info["missing_keys"]
        return model.eval()

    def _merged(self, task: str | None) -> dict[str, Tensor]:
        """Return plain weights: Linear W + alpha/r * B @ A, Embedding W + alpha/r * A @ B."""
        stored = load_file(self.folder / "model.safetensors")
        plain = {name: value for name, value in stored.items() if _PARAMETRIZED not in name}
        scale = self.config["lora_alpha"] / self.config["lora_rank"]
        for name, value in stored.items():
            if not name.endswith(f"{_PARAMETRIZED}original"):
                continue
            module = name.removesuffix(f"{_PARAMETRIZED}original")
            if task is not None:
                index = self.config["lora_adaptations"].index(task)
                a, b = (stored[f"{module}{_PARAMETRIZED}0.lora_{letter}"][index] for letter in "AB")
                value = value + scale * (a @ b if "embeddings" in module else b @ a)
            plain[f"{module}.weight"] = value
        return plain

    def ids(self, text: str) -> Tensor:
        """Return [1, tokens], cut at the limit."""
        found = self.tokenizer(text, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
        ids: Tensor = found["input_ids"]
        return ids

    @torch.inference_mode()
    def tokens(self, text: str, task: str | None = None) -> Tensor:
        """Return the hidden states [tokens, hidden] of a text with the instruction of its task in front."""
        instruction = "" if task is None else self.config["task_instructions"][task]
        ids = self.ids(instruction + text.strip())
        hidden: Tensor = self.model(task)(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        return hidden

    def embed(self, text: str, task: str | None = None, dimensions: int | None = None) -> Tensor:
        """Return the mean over all tokens, cut and then of length 1."""
        return torch.nn.functional.normalize(self.tokens(text, task).mean(dim=0)[:dimensions], dim=-1)


@pytest.fixture(scope="session")
def jina(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The look-alike of jina-embeddings-v3."""
    return build_checkpoint("jina_embeddings_v3", tmp_path_factory.mktemp("jina"))


@pytest.fixture(scope="session")
def expected(jina: Path) -> Reference:
    """What the look-alike must give."""
    return Reference(jina)


@pytest.fixture(scope="session")
def reference_of() -> Callable[..., Reference]:
    """Make the reference of another folder."""
    return Reference


@pytest.fixture(scope="session")
def tasks(expected: Reference) -> Sequence[str | None]:
    """All six variants: no task, and the five."""
    return (None, *expected.config["lora_adaptations"])
