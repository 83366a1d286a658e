"""Write what `scripts/colbert_reference.py` reads: the look-alikes of late-interaction models, and the texts.

python scripts/colbert_lookalikes.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts

__all__ = ["main"]

_PARAGRAPH = max(sample_texts(), key=len)
_QUERIES = [
    "How deep is the well?",
    "Wohin fließt das Wasser, \u6c34 \u3068 \u6d77?!",
    _PARAGRAPH,
    "  The guide line,\twith   spaces  \n",
    "",
]
_DOCUMENTS = [
    "Nobody knows: the rope was forty metres long, and did not reach the bottom.",
    "f(x) = [a, b]; g{y} -> \"z\" & 'w' ... #1 @2 $3 %4 ^5 *6 + ~7 `8` |9| \\n _u_ <t>!",
    _PARAGRAPH,
    "Вода и море, \u6c34 \u3068 \u6d77, το νερό \u2013 and an emoji \U0001f30a nobody trained on.",
    " \n water \u00a0",
    "   ",
]
#: Documents whose vectors are pooled, by number.
_POOLED = [0, 2]
#: What the smaller files hold, by number.
_FEW = {"queries": [0, 2], "documents": [1, 2], "pooled": []}
_ALL = {"queries": list(range(len(_QUERIES))), "documents": list(range(len(_DOCUMENTS))), "pooled": _POOLED}


def _case(
    family: str,
    library: str,
    numbers: dict[str, list[int]] = _FEW,
    *,
    settings: dict[str, Any] | None = None,
    **build: Any,
) -> dict[str, Any]:
    """Return what is computed; `settings` are for both the library and cenote, by cenote's names."""
    return {"family": family, "library": library, "build": build, "settings": settings or {}, **numbers}


#: Files of numbers by name.
_CASES: dict[str, dict[str, Any]] = {
    "colbert_v2": _case("colbert_v2", "colbert-ai", {**_ALL, "pooled": []}),
    "colbert_v2_pylate": _case("colbert_v2", "pylate", {**_FEW, "pooled": _POOLED}),
    "colbert_v2_bare": _case("colbert_v2_bare", "colbert-ai", safetensors=False, pooler=False),
    "answerai_colbert_small": _case("answerai_colbert_small", "colbert-ai"),
    "answerai_colbert_small_pylate": _case("answerai_colbert_small", "pylate"),
    "colbert_l2": _case("colbert_l2", "colbert-ai"),
    "gte_moderncolbert": _case("gte_moderncolbert", "pylate", _ALL),
    "pylate_attended": _case("pylate_attended", "pylate"),
    "pylate_plain_queries": _case("pylate_plain_queries", "pylate"),
    "pylate_residual": _case("pylate_residual", "pylate"),
    "pylate_gte": _case("pylate_gte", "pylate-native", config={"rope_scaling": None}),
    "pylate_nomic": _case("pylate_nomic", "pylate-native"),
    "multi_vector_encoder": _case("multi_vector_encoder", "sentence-transformers", {**_ALL, "pooled": []}),
    "multi_vector_mean": _case("multi_vector_mean", "sentence-transformers"),
    "jina_colbert_v2": _case("jina_colbert_v2", "pylate-jina", _ALL, settings={"document_length": 48}),
    "jina_colbert_v2_other_base": _case("jina_colbert_v2", "pylate-jina", config={"rotary_emb_base": 50000.0}),
    "lfm2_colbert": _case("lfm2_colbert", "pylate", _ALL),
}


def main(root: Path) -> None:
    """Write a folder for each case, and `inputs.json`."""
    for name, case in _CASES.items():
        build_checkpoint(case["family"], root / name, **case["build"])
    inputs = {"queries": _QUERIES, "documents": _DOCUMENTS, "cases": _CASES}
    (root / "inputs.json").write_text(json.dumps(inputs, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
