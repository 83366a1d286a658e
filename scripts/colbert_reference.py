"""Compute what late-interaction look-alikes give in the models' own libraries, for `plugins/colbert/tests/goldens`.

Run by hand, in an environment of the library that is asked for; nothing of cenote is imported. First, with cenote:

    python scripts/colbert_lookalikes.py FOLDER

then, in one environment after the other:

    python scripts/colbert_reference.py FOLDER plugins/colbert/tests/goldens LIBRARY

`pylate`: torch 2.13.0, then `pip install --no-deps pylate==1.6.0` and what it imports: sentence-transformers 5.3.0,
transformers 5.3.0, scipy (its own dependencies pull another torch).
`pylate-jina` and `pylate-native`: the same with transformers 5.23.0, which has classes for jina's XLM-RoBERTa, for
Alibaba's GTE and for Nomic BERT.
`colbert-ai`: torch 2.13.0, then `pip install --no-deps colbert-ai==0.2.22` and transformers 4.48.3, scipy, ujson,
GitPython, ninja; it compiles an extension, so that a C++ compiler must be there, and `ninja` on the path.
`sentence-transformers`: sentence-transformers 6.2.0.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from shutil import copytree
from typing import Any

import torch

__all__ = ["main"]

_DIGITS = 7
_TINY_DIM = 16
_VERSIONS = {
    "pylate": ("pylate", "sentence-transformers", "transformers"),
    "pylate-jina": ("pylate", "sentence-transformers", "transformers"),
    "pylate-native": ("pylate", "sentence-transformers", "transformers"),
    "colbert-ai": ("colbert-ai", "transformers"),
    "sentence-transformers": ("sentence-transformers", "transformers"),
}
_NOTES = {
    "pylate": "queries in one batch, documents one by one",
    "pylate-jina": (
        "The published model runs remote code. Here PyLate reads a copy of the folder whose config.json names "
        "transformers' JinaEmbeddingsV3Model, with the file's rotary base, and gets the options of the model card; "
        "one text at a time."
    ),
    "pylate-native": (
        "The published model runs remote code. Here PyLate reads a copy of the folder whose config.json is in the "
        "names of transformers' own class, without rotary scaling; one text at a time."
    ),
    "colbert-ai": "queries in one batch, documents one by one, float32",
    "sentence-transformers": "one text at a time",
}
#: Names in Nomic's configs, and in transformers'.
_GPT2_NAMES = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
}


class PyLate:
    """PyLate's ColBERT. Queries go in one batch: with one alone, transformers 5.3 lets LFM2's convolution see what is
    masked out."""

    together = True

    def __init__(self, folder: Path, **settings: Any) -> None:
        from pylate.models import ColBERT  # type: ignore[import-not-found]

        self.model = ColBERT(str(folder), device="cpu", **settings)

    def encode(self, texts: Sequence[str], *, query: bool) -> list[dict[str, Any]]:
        """Return token ids, places of the tokens that have a vector, and these vectors."""
        batches = [list(texts)] if query and self.together else [[text] for text in texts]
        return [row for batch in batches for row in self._rows(batch, query=query)]

    def _rows(self, batch: list[str], *, query: bool) -> list[dict[str, Any]]:
        found = self.model.encode(batch, is_query=query, output_value=None, convert_to_tensor=True)
        plain = self.model.encode(batch, is_query=query, convert_to_tensor=True)
        rows = []
        for index, vectors in enumerate(plain):
            mask, ids = found["masks"][index], found["input_ids"][index]
            assert torch.equal(found["token_embeddings"][index][mask], vectors)
            # Filled up to the batch's longest, where queries are not expanded.
            ids = ids if not query or self.model.do_query_expansion else ids[found["attention_mask"][index].bool()]
            rows.append(_row(batch[index], ids, mask, vectors))
        return rows

    def pool(self, text: str, factor: int) -> torch.Tensor:
        """Return the vectors of a document, pooled."""
        vectors: list[torch.Tensor]
        vectors = self.model.encode([text], is_query=False, pool_factor=factor, convert_to_tensor=True)
        return vectors[0]

    def score(self, query: torch.Tensor, document: torch.Tensor) -> float:
        """Return the score of two rows of vectors."""
        from pylate.scores import colbert_scores_pairwise  # type: ignore[import-not-found]

        return float(colbert_scores_pairwise([query], [document])[0])


class NativePyLate(PyLate):
    """PyLate on backbones that are published with code of their own, in place of which transformers' classes run."""

    together = False

    def __init__(self, folder: Path, **settings: Any) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            copy = copytree(folder, Path(scratch) / "model")
            config = json.loads((copy / "config.json").read_text())
            del config["auto_map"]
            rope = {"rope_type": "default", "rope_theta": self.rotary_base(config)}
            config = self.native(config) | {"rope_parameters": rope}
            (copy / "config.json").write_text(json.dumps(config))
            super().__init__(copy, **settings)
        found = self.model[0].auto_model
        assert type(found).__module__.startswith("transformers.models."), found
        assert found.config.rope_parameters == rope, found.config
        assert found.config.hidden_size == config["hidden_size"], found.config

    def rotary_base(self, config: Mapping[str, Any]) -> float:
        """Return the base of the rotary frequencies, which each code calls by a name of its own."""
        assert not config.get("rope_scaling"), config
        return float(config["rope_theta"] if config["model_type"] == "new" else config["rotary_emb_base"])

    def native(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a config of Alibaba's GTE or of Nomic BERT in the names of transformers."""
        if config["model_type"] == "new":
            return {**config, "model_type": "gte", "architectures": ["GteModel"]}
        assert config["activation_function"] == "swiglu", config
        return {_GPT2_NAMES.get(key, key): value for key, value in config.items()} | {"hidden_act": "silu"}


class JinaPyLate(NativePyLate):
    """PyLate on jina's layout, with the options of the model card."""

    def __init__(self, folder: Path, document_length: int = 300) -> None:
        super().__init__(
            folder,
            query_prefix="[QueryMarker]",
            document_prefix="[DocumentMarker]",
            attend_to_expansion_tokens=True,
            document_length=document_length,
        )

    def native(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the config of jina's XLM-RoBERTa under the name of transformers."""
        return {**config, "model_type": "jina_embeddings_v3"}


class ColbertAI:
    """colbert-ai's Checkpoint."""

    def __init__(self, folder: Path) -> None:
        from colbert.infra import ColBERTConfig  # type: ignore[import-not-found]
        from colbert.modeling.checkpoint import Checkpoint  # type: ignore[import-not-found]

        # Without artifact.metadata, colbert-ai looks for no tokenizer and for vectors of size 128, unless it is told.
        given = {} if (folder / "artifact.metadata").exists() else {"checkpoint": str(folder), "dim": _TINY_DIM}
        self.model = Checkpoint(str(folder), ColBERTConfig(**given), verbose=0)

    def encode(self, texts: Sequence[str], *, query: bool) -> list[dict[str, Any]]:
        """Return token ids, places of the tokens that have a vector, and these vectors."""
        if query:
            ids, mask = self.model.query_tokenizer.tensorize(list(texts))
            vectors = self.model.query(ids, mask)
            every = torch.ones_like(ids, dtype=torch.bool)
            return [_row(*row) for row in zip(texts, ids, every, vectors, strict=True)]
        rows = []
        for text in texts:
            ids, mask = self.model.doc_tokenizer.tensorize([text])
            vectors, kept = self.model.doc(ids, mask, keep_dims="return_mask")
            kept = kept.squeeze(-1)
            rows.append(_row(text, ids[0], kept[0], vectors[0][kept[0]]))
        return rows

    def score(self, query: torch.Tensor, document: torch.Tensor) -> float:
        """Return the score of two rows of vectors."""
        from colbert.modeling.colbert import ColBERT  # type: ignore[import-not-found]

        mask = torch.ones(1, len(document), 1, dtype=torch.bool)
        return float(ColBERT.score(self.model, query[None], document[None], mask)[0])


class Encoder:
    """The MultiVectorEncoder of sentence-transformers."""

    def __init__(self, folder: Path) -> None:
        from sentence_transformers import MultiVectorEncoder

        self.model = MultiVectorEncoder(str(folder), device="cpu")

    def encode(self, texts: Sequence[str], *, query: bool) -> list[dict[str, Any]]:
        """Return token ids, places of the tokens that have a vector, and these vectors."""
        task = "query" if query else "document"
        encode = self.model.encode_query if query else self.model.encode_document
        rows = []
        for text in texts:
            features = self.model.preprocess([text], prompt=self.model.prompts[task], task=task)
            mask = self.model.forward(dict(features), task=task)["attention_mask"][0]
            rows.append(_row(text, features["input_ids"][0], mask, encode([text])[0]))
        return rows

    def score(self, query: torch.Tensor, document: torch.Tensor) -> float:
        """Return the score of two rows of vectors."""
        return float(self.model.similarity([query], [document])[0][0])


_LIBRARIES: Mapping[str, Callable[..., Any]] = {
    "pylate": PyLate,
    "pylate-jina": JinaPyLate,
    "pylate-native": NativePyLate,
    "colbert-ai": ColbertAI,
    "sentence-transformers": Encoder,
}


def main(root: Path, out: Path, library: str) -> None:
    """Write the files of all cases of a library."""
    torch.set_num_threads(2)
    inputs = json.loads((root / "inputs.json").read_text())
    for name, case in inputs["cases"].items():
        if case["library"] == library:
            with torch.inference_mode():
                found = _computed(_LIBRARIES[library](root / name, **case["settings"]), inputs, case)
            (out / f"{name}.json").write_text(_to_json(_head(library, case), found))
            print(name)


def _head(library: str, case: Mapping[str, Any]) -> dict[str, Any]:
    versions = {name: version(name) for name in ("torch", *_VERSIONS[library])}
    build = {key: case[key] for key in ("family", "build", "settings")}
    return {"reference": library, "note": _NOTES[library], "versions": versions, **build}


def _computed(model: Any, inputs: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, list[Any]]:
    rows = {
        kind: model.encode([inputs[kind][number] for number in case[kind]], query=kind == "queries")
        for kind in ("queries", "documents")
    }
    pooled = [
        {"text": text, "pool_factor": factor, "vectors": _rounded(model.pool(text, factor))}
        for text in (inputs["documents"][number] for number in case["pooled"])
        for factor in (2, 3)
    ]
    scores = [
        {"query": i, "document": j, "score": round(model.score(query["exact"], document["exact"]), _DIGITS)}
        for i, query in enumerate(rows["queries"])
        for j, document in enumerate(rows["documents"])
    ]
    plain = {kind: [{key: row[key] for key in row if key != "exact"} for row in found] for kind, found in rows.items()}
    return {**plain, "pooled": pooled, "scores": scores}


def _row(text: str, ids: torch.Tensor, mask: torch.Tensor, vectors: torch.Tensor) -> dict[str, Any]:
    positions = mask.nonzero().flatten().tolist()
    assert len(positions) == len(vectors)
    exact = vectors.float()
    return {"text": text, "ids": ids.tolist(), "positions": positions, "vectors": _rounded(exact), "exact": exact}


def _rounded(vectors: torch.Tensor) -> list[list[float]]:
    return [[round(value, _DIGITS) for value in row] for row in vectors.tolist()]


def _to_json(head: Mapping[str, Any], found: Mapping[str, list[Any]]) -> str:
    """Write one line per text and per score."""
    parts = [json.dumps(head, ensure_ascii=False)[1:-1]]
    for key, rows in found.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        parts.append(f'"{key}": [\n{lines}\n]' if rows else f'"{key}": []')
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3])
