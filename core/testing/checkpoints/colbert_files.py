"""The files beside the weights of late-interaction models, as colbert-ai, PyLate and sentence-transformers write them.

Keys and their order are those that the libraries write: colbert-ai 0.2.22, PyLate 1.6.0, sentence-transformers 6.2.0.
"""

from __future__ import annotations

import string
from typing import Any

__all__ = [
    "DOCUMENT_LENGTH",
    "HIDDEN_SIZE",
    "QUERY_LENGTH",
    "VECTOR_SIZE",
    "artifact_metadata",
    "encoder_files",
    "pylate_files",
]

#: Of the look-alikes; published: 32, 180 to 512, and 96 or 128 of 384 to 1024.
QUERY_LENGTH, DOCUMENT_LENGTH = 32, 48
HIDDEN_SIZE, VECTOR_SIZE = 32, 16
_IDENTITY = "torch.nn.modules.linear.Identity"

#: What `artifact.metadata` holds beside what decides on the numbers.
_TRAINING: dict[str, Any] = {
    "ncells": None,
    "centroid_score_threshold": None,
    "ndocs": None,
    "load_index_with_mmap": False,
    "index_path": None,
    "index_bsize": 64,
    "nbits": 1,
    "kmeans_niters": 4,
    "resume": False,
    "bsize": 32,
    "accumsteps": 1,
    "lr": 1e-5,
    "maxsteps": 500000,
    "save_every": None,
    "warmup": 20000,
    "warmup_bert": None,
    "relu": False,
    "nway": 64,
    "use_ib_negatives": True,
    "reranker": False,
    "distillation_alpha": 1.0,
    "ignore_scores": False,
    "model_name": None,
    "checkpoint": "bert-base-uncased",
    "triples": "triples.json",
    "collection": "collection.tsv",
    "queries": "queries.tsv",
    "index_name": None,
    "overwrite": False,
    "root": "experiments",
    "experiment": "default",
    "index_root": None,
    "name": "2021-08/30/00.16.11",
    "rank": 0,
    "nranks": 4,
    "amp": True,
    "gpus": 8,
    "avoid_fork_if_possible": False,
    "meta": {
        "hostname": "node",
        "git_branch": "main",
        "git_hash": "0" * 40,
        "git_commit_datetime": "2021-08-25 03:47:09-07:00",
        "current_datetime": "Aug 30, 2021 ; 5:27PM PDT (-0700)",
        "cmd": "train.py",
        "version": "colbert-v0.4",
    },
}


def artifact_metadata(dim: int = VECTOR_SIZE, **changes: Any) -> dict[str, Any]:
    """Return the content of `artifact.metadata`; `changes` replace entries."""
    settings = {
        "query_token_id": "[unused0]",
        "doc_token_id": "[unused1]",
        "query_token": "[Q]",
        "doc_token": "[D]",
        "attend_to_mask_tokens": False,
        "interaction": "colbert",
        "similarity": "cosine",
        "dim": dim,
        "query_maxlen": QUERY_LENGTH,
        "doc_maxlen": DOCUMENT_LENGTH,
        "mask_punctuation": True,
    }
    return {**_TRAINING, **settings, **changes}


def pylate_files(*, residual: bool | None = False, **changes: Any) -> dict[str, Any]:
    """Return the files of PyLate.

    Args:
        residual: `use_residual` of the Dense module; None leaves the key out, as PyLate before 1.3 did.
        **changes: entries of `config_sentence_transformers.json`; None leaves one out.
    """
    dense: dict[str, Any] = {
        "in_features": HIDDEN_SIZE,
        "out_features": VECTOR_SIZE,
        "bias": False,
        "activation_function": _IDENTITY,
    }
    settings: dict[str, Any] = {
        "model_type": "ColBERT",
        "__version__": {"sentence_transformers": "5.3.0", "transformers": "5.3.0", "pytorch": "2.13.0"},
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        "query_prefix": "[Q] ",
        "document_prefix": "[D] ",
        "query_length": QUERY_LENGTH,
        "document_length": DOCUMENT_LENGTH,
        "attend_to_expansion_tokens": False,
        "skiplist_words": list(string.punctuation),
        "do_query_expansion": True,
    }
    settings = {key: value for key, value in (settings | changes).items() if value is not None or key not in changes}
    return {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
        ],
        "1_Dense/config.json": dense if residual is None else {**dense, "use_residual": residual},
        "sentence_bert_config.json": {"max_seq_length": DOCUMENT_LENGTH - 1, "do_lower_case": False},
        "config_sentence_transformers.json": settings,
    }


#: Modules of sentence-transformers 6.2, with their folders.
_MODULES = (
    ("", "sentence_transformers.base.modules.transformer.Transformer"),
    ("1_Dense", "sentence_transformers.base.modules.dense.Dense"),
    ("2_MultiVectorMask", "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"),
    ("3_Normalize", "sentence_transformers.base.modules.normalize.Normalize"),
)
_NAMES = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}


def encoder_files(
    *, tasks: tuple[str, ...] = ("document",), similarity: str | None = None, **changes: Any
) -> dict[str, Any]:
    """Return the files of a `MultiVectorEncoder` of sentence-transformers 6.2.

    Args:
        tasks: whose punctuation has no vector.
        similarity: how texts are compared.
        **changes: entries of `sentence_bert_config.json`.
    """
    dense = {"in_features": HIDDEN_SIZE, "out_features": VECTOR_SIZE, "bias": False, "activation_function": _IDENTITY}
    return {
        "modules.json": [
            {"idx": index, "name": str(index), "path": path, "type": kind}
            for index, (path, kind) in enumerate(_MODULES)
        ],
        "1_Dense/config.json": dense | _NAMES,
        "2_MultiVectorMask/config.json": {
            "skiplist_words": list(string.punctuation),
            "skiplist_tasks": list(tasks),
            "keep_only_token_ids": None,
        },
        "3_Normalize/config.json": _NAMES,
        "sentence_bert_config.json": {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            "module_output_name": "token_embeddings",
            "document_length": DOCUMENT_LENGTH,
            "query_expansion": {"strategy": "fixed", "attend": False, "token": None, "length": QUERY_LENGTH},
            **changes,
        },
        "config_sentence_transformers.json": {
            "__version__": {"pytorch": "2.13.0+cpu", "sentence_transformers": "6.2.0", "transformers": "5.23.0"},
            "default_prompt_name": None,
            "model_type": "MultiVectorEncoder",
            "prompts": {"document": "[D] ", "query": "[Q] "},
            "similarity_fn_name": similarity,
        },
    }
