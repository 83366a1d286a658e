"""The checkpoints that are measured: the real all-MiniLM-L6-v2, and random weights in the shapes of others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["MODELS", "REAL", "model_folder"]

#: The one whose weights are real: only its vectors say anything of quality.
REAL = "minilm"
_IDENTITY = "torch.nn.modules.linear.Identity"
#: Entries of config.json beside MiniLM's.
_BERT_BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
#: Deviation of the weights of a random head.
_HEAD = 0.3
#: Components of a vector per token.
_VECTOR = 128


def model_folder(name: str, home: Path) -> Path:
    """Return the folder of one of `MODELS` in the cache, built where it is not there. The same seed, the same bytes."""
    folder = home / "models" / name
    if not folder.is_dir():
        unfinished = folder.with_name(f"{name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(_minilm(), unfinished)
        MODELS[name][1](unfinished)
        unfinished.rename(folder)
    return folder


def _minilm() -> Path:
    from cenote.checkpoints import default_model, open_checkpoint

    return Path(open_checkpoint(default_model()).path)


def _as_it_is(folder: Path) -> None:
    """Leave MiniLM's files alone."""


def _bert_base(folder: Path) -> None:
    """Put random weights in the shape of BERT-base in the place of MiniLM's."""
    _write_config(folder / "config.json", _BERT_BASE)
    _write_config(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": _BERT_BASE["hidden_size"]})
    import torch
    import transformers

    torch.manual_seed(0)
    _save(folder, transformers.BertModel(transformers.AutoConfig.from_pretrained(folder)))


def _cross_encoder(folder: Path) -> None:
    """Make a reranker: MiniLM with a random head of one label, wide enough for scores all over 0 to 1."""
    for extra in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (folder / extra).unlink(missing_ok=True)
    shutil.rmtree(folder / "1_Pooling")
    labels = {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    _write_config(folder / "config.json", {**labels, "label2id": {"LABEL_0": 0}, "num_labels": 1})
    _save(folder, _with_random_head(folder))


def _colbert(folder: Path) -> None:
    """Add a random projection of MiniLM's tokens to 128 components, in PyLate's layout."""
    import torch
    from safetensors.torch import save_file

    for extra in ("1_Pooling", "2_Normalize"):
        shutil.rmtree(folder / extra, ignore_errors=True)
    width = json.loads((folder / "config.json").read_text())["hidden_size"]
    dense = folder / "1_Dense"
    dense.mkdir()
    weight = torch.randn(_VECTOR, width, generator=torch.Generator().manual_seed(0)) * width**-0.5
    save_file({"linear.weight": weight}, dense / "model.safetensors")
    sizes = {"in_features": width, "out_features": _VECTOR, "bias": False, "activation_function": _IDENTITY}
    _write(dense / "config.json", {**sizes, "use_residual": False})
    parts = (("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense"))
    modules = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(parts)]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 255, "do_lower_case": False})
    settings: dict[str, Any] = {
        "model_type": "ColBERT",
        "__version__": {"sentence_transformers": "5.3.0", "transformers": "5.3.0", "pytorch": "2.13.0"},
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[unused0]",
        "document_prefix": "[unused1]",
        "query_length": 32,
        "document_length": 256,
        "attend_to_expansion_tokens": False,
        "skiplist_words": [],
        "do_query_expansion": True,
    }
    _write(folder / "config_sentence_transformers.json", settings)


def _with_random_head(folder: Path) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(transformers.AutoConfig.from_pretrained(folder))
    weights = transformers.BertModel.from_pretrained(folder).state_dict()
    model.bert.load_state_dict(weights)
    torch.nn.init.normal_(model.classifier.weight, std=_HEAD)
    return model


def _save(folder: Path, model: Any) -> None:
    """Write a model's weights; config.json stays as it is: what transformers adds is not for older versions."""
    stored = (folder / "config.json").read_text()
    model.save_pretrained(folder)
    (folder / "config.json").write_text(stored)


def _write_config(path: Path, changes: Mapping[str, Any]) -> None:
    _write(path, {**json.loads(path.read_text()), **changes})


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2))


#: Title for tables, and what is done to a copy of MiniLM.
MODELS: Mapping[str, tuple[str, Callable[[Path], None]]] = {
    REAL: ("all-MiniLM-L6-v2", _as_it_is),
    "bert-base": ("BERT-base shape, random weights", _bert_base),
    "cross-encoder": ("MiniLM as a cross-encoder with a random head", _cross_encoder),
    "colbert": ("MiniLM with a random projection to 128 components", _colbert),
}
