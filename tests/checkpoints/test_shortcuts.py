"""What is taken from transformers on a shorter way is what transformers makes itself."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

from cenote.checkpoints.shortcuts import lazy_patterns

_LISTED = """
from cenote.checkpoints.deferred import prepare_transformers
prepare_transformers()
import transformers
from transformers.utils import import_utils
found = vars(transformers.models)
define = import_utils.define_import_structure
before = define.cache_info().misses
own = vars(import_utils._LazyModule(found["__name__"], found["__file__"], define(found["__file__"])))
assert define.cache_info().misses == before + 1, "its files were read twice"
for name in ("_modules", "_class_to_module", "_object_missing_backend"):
    assert found[name] == own[name], name
assert sorted(found["__all__"]) == sorted(own["__all__"])
named = [{key: sorted(names) for key, names in each["_import_structure"].items()} for each in (found, own)]
assert named[0] == named[1]
assert transformers.models.bert.BertModel.__name__ == "BertModel"
"""


def test_the_list_of_models_is_the_one_that_transformers_makes() -> None:
    subprocess.run([sys.executable, "-c", _LISTED], check=True)


def _sources(mapping: dict[str, list[Any]]) -> dict[str, list[tuple[str, dict[str, int]]]]:
    return {
        name: [(each.compiled_sources.pattern, dict(each.compiled_sources.groupindex)) for each in transforms]
        for name, transforms in mapping.items()
    }


def test_patterns_of_all_models_are_those_that_transformers_compiles() -> None:
    conversion_mapping: Any = import_module("transformers.conversion_mapping")
    core_model_loading: Any = import_module("transformers.core_model_loading")

    with lazy_patterns():
        lazy = conversion_mapping._build_checkpoint_conversion_mapping()
    assert core_model_loading.re is re
    own = conversion_mapping._build_checkpoint_conversion_mapping()
    assert _sources(lazy) == _sources(own)
    kinds = [{type(each.compiled_sources) for each in made["qwen2_moe"]} for made in (lazy, own)]
    assert re.Pattern not in kinds[0]
    assert kinds[1] == {re.Pattern}


@pytest.mark.parametrize("of", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copied_pattern_finds_the_same(of: Any) -> None:
    core_model_loading: Any = import_module("transformers.core_model_loading")

    with lazy_patterns():
        pattern = of(core_model_loading.re.compile(r"(\w+)\.WEIGHT$", re.IGNORECASE))
    assert pattern.search("layer.weight").group(1) == "layer"
    assert pattern.sub(r"\1", "layer.weight") == "layer"
    with pytest.raises(AttributeError):
        _ = pattern.nothing
