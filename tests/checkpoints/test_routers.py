"""Routers of sentence-transformers: their routes are described, and the backbone is found below them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cenote.checkpoints import TransformerModule, open_checkpoint
from cenote.checkpoints.modules import RouterModule, UnknownModule
from cenote.errors import CheckpointError

_NEW = "sentence_transformers.base.modules."
_TYPES = {
    "query_0_SparseStaticEmbedding": "sentence_transformers.sparse_encoder.modules.SparseStaticEmbedding",
    "document_0_Transformer": f"{_NEW}transformer.Transformer",
    "document_1_SpladePooling": "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling",
}
_STRUCTURE = {"query": list(_TYPES)[:1], "document": list(_TYPES)[1:]}


def _folder(tmp_path: Path, types: Any = _TYPES, structure: Any = _STRUCTURE, **parameters: Any) -> Path:
    entry = {"idx": 0, "name": "0", "path": "", "type": f"{_NEW}router.Router"}
    (tmp_path / "modules.json").write_text(json.dumps([entry]))
    config = {"types": types, "structure": structure, "parameters": parameters}
    (tmp_path / "router_config.json").write_text(json.dumps(config))
    (tmp_path / "document_0_Transformer").mkdir()
    (tmp_path / "document_0_Transformer" / "config.json").write_text('{"architectures": ["BertForMaskedLM"]}')
    return tmp_path


def test_routes_are_read_in_order_and_the_backbone_is_below_them(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(str(_folder(tmp_path, default_route="document")))
    files = checkpoint.sentence_transformers
    assert files is not None
    (router,) = files.pipeline
    assert isinstance(router, RouterModule)
    assert list(router.routes) == ["query", "document"]
    assert [type(module) for module in router.routes["document"]] == [TransformerModule, UnknownModule]
    assert router.default == "document"
    assert checkpoint.architectures == ("BertForMaskedLM",)
    assert checkpoint.backbone_path == tmp_path / "document_0_Transformer"
    assert checkpoint.module_types() == (f"{_NEW}router.Router", *_TYPES.values())


@pytest.mark.parametrize(
    ("parameters", "default"),
    [({}, "query"), ({"allow_empty_key": False}, None), ({"default_route": "document"}, "document")],
)
def test_the_default_route_is_that_of_the_reference(
    parameters: dict[str, Any], default: str | None, tmp_path: Path
) -> None:
    files = open_checkpoint(str(_folder(tmp_path, **parameters))).sentence_transformers
    assert files is not None
    assert isinstance(files.pipeline[0], RouterModule)
    assert files.pipeline[0].default == default


def test_the_core_builds_no_router(tmp_path: Path) -> None:
    files = open_checkpoint(str(_folder(tmp_path))).sentence_transformers
    assert files is not None
    with pytest.raises(CheckpointError, match=r"router\.Router"):
        _ = files.modules


@pytest.mark.parametrize(
    ("types", "structure"),
    [
        (_TYPES, {"query": ["nowhere"]}),
        (_TYPES, {"query": []}),
        (_TYPES, {"query": "document_0_Transformer"}),
        (_TYPES, {}),
        (_TYPES, None),
        ([], _STRUCTURE),
        ({**_TYPES, "document_0_Transformer": 5}, _STRUCTURE),
        ({"../outside": f"{_NEW}transformer.Transformer"}, {"query": ["../outside"]}),
    ],
)
def test_a_router_that_cannot_be_understood_is_an_error(types: Any, structure: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        open_checkpoint(str(_folder(tmp_path, types, structure)))
