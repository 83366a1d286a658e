"""What is taken from transformers on a shorter way is what transformers makes itself."""

from __future__ import annotations

import subprocess
import sys

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
