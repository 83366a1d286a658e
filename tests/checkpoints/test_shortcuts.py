"""What is taken from transformers on a shorter way is what transformers makes itself."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_forking = runpy.run_path(str(Path(__file__).parents[1] / "forks.py"))["forking"]
_LISTED = """
import sys
from pathlib import Path
read = []
def note(event, given):
    path = str(given[0]) if event == "open" else ""
    if "/transformers/models/" in path and path.endswith(".py") and not {{"auto", "bert"}} & {{*path.split("/")}}:
        read.append(path)
sys.addaudithook(note)
{before}
from cenote.checkpoints.deferred import prepare_transformers
prepare_transformers()
import transformers
assert transformers.models.bert.BertModel.__name__ == "BertModel"
print(len(read), len({{*read}}))
from transformers.utils import import_utils
define = import_utils.define_import_structure
assert define.__module__ == import_utils.__name__, "the function of transformers is not back"
found = vars(transformers.models)
own = vars(import_utils._LazyModule(found["__name__"], found["__file__"], define(found["__file__"])))
for name in ("_modules", "_class_to_module", "_object_missing_backend"):
    assert found[name] == own[name], name
assert sorted(found["__all__"]) == sorted(own["__all__"])
named = [{{key: sorted(names) for key, names in each["_import_structure"].items()}} for each in (found, own)]
assert named[0] == named[1]
assert transformers.BertModel is transformers.models.bert.BertModel
assert import_utils.__spec__.loader is import_utils.__loader__
assert "def define_import_structure" in import_utils.__loader__.get_source(import_utils.__name__)
whole = define(Path(found["__file__"]).parent, prefix="models")
listed = {{module: {{*names}} for each in whole.values() for module, names in each.items()}}
assert all(names <= {{*transformers._import_structure[module]}} for module, names in listed.items())
"""


@pytest.fixture(scope="module")
def forks() -> Iterator[Any]:
    with _forking("import torch, cenote.checkpoints.deferred") as forks:
        yield forks


def read_at_start(forks: Any, cache: Path, before: str = "", **variables: str) -> tuple[int, int]:
    """Check the lists in a process; return how often it read sources of models before, and how many different ones."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), **variables}
    done = forks.run([], program=_LISTED.format(before=before), environment=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    times, files = map(int, done.stdout.split())
    return times, files


def test_sources_of_models_are_read_once_and_not_at_the_next_start(forks: Any, tmp_path: Path) -> None:
    times, files = read_at_start(forks, tmp_path)
    assert times == files > 1000
    assert read_at_start(forks, tmp_path) == (0, 0)
    assert read_at_start(forks, tmp_path, CENOTE_LIGHT_IMPORTS="0")[0] > 1000, "it is asked to import as ever"


def test_a_program_may_have_imported_transformers_before(forks: Any, tmp_path: Path) -> None:
    times, files = read_at_start(forks, tmp_path, "import transformers")
    assert times == files > 1000
