import copy
import inspect
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cenote.checkpoints import deferred
from cenote.checkpoints.deferred import Deferred, light_imports
from cenote.testing.checkpoints import build_checkpoint

#: Answers with one model after the other, and prints which modules are loaded after each.
_ANSWERS = """
import json, sys
from cenote import LLM
for folder in sys.argv[1:]:
    LLM(folder).embed(["first"], use_tqdm=False)
    print(json.dumps(sorted(sys.modules)))
"""
_COMPILER = {"torch._dynamo", "torch._inductor", "sympy", "torch.distributed.tensor", "scipy.optimize"}
_NEVER = {"torchvision", "sklearn", "pandas", "triton"}
_MODELS = ("bert", "qwen3", "modernbert")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The modules that a process has after the first answer of each model."""
    place = tmp_path_factory.mktemp("models")
    folders = [str(build_checkpoint(name, place / name)) for name in _MODELS]
    variables = {name: value for name, value in os.environ.items() if name != "CENOTE_LIGHT_IMPORTS"}
    done = subprocess.run(
        [sys.executable, "-c", _ANSWERS, *folders], capture_output=True, text=True, check=True, env=variables
    )
    return dict(zip(_MODELS, map(set, map(json.loads, done.stdout.splitlines())), strict=True))


@pytest.mark.parametrize("name", _MODELS)
def test_the_first_answer_needs_neither_the_compiler_nor_scipy(name: str, loaded: dict[str, set[str]]) -> None:
    assert f"transformers.models.{name}.modeling_{name}" in loaded[name]
    assert not loaded[name] & (_COMPILER | _NEVER)
    assert not any(module.startswith("scipy.") and module.endswith("optimize") for module in loaded[name])


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "acme_heavy").mkdir()
    (tmp_path / "acme_heavy" / "__init__.py").write_text(
        "class Base:\n    def __init__(self, size=1): self.size = size\n"
        "def doubled(function): return lambda *a: 2 * function(*a)\n"
        "SIZES = {'small': 1}\n"
    )
    (tmp_path / "acme_user.py").write_text(
        "from acme_heavy import Base, doubled\nimport acme_heavy\n"
        "DEFAULT = Base(3)\nSIZE = acme_heavy.SIZES\n"
        "def accept(item: Base | None) -> bool: return isinstance(item, Base)\n"
        "class User:\n    @doubled\n    def one(self): return 1\n"
        "@doubled\ndef two(): return 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(deferred, "_MODULES", ("acme_heavy",))
    yield "acme_user"
    for name in ("acme_heavy", "acme_user"):
        sys.modules.pop(name, None)


def test_what_is_imported_from_a_stand_in_is_the_real_thing_once_it_is_used(example: str) -> None:
    with light_imports():
        import acme_user  # type: ignore[import-not-found]
    assert "acme_heavy" not in sys.modules
    assert not acme_user.accept(None)
    assert not acme_user.accept(3)
    assert "acme_heavy" not in sys.modules
    assert acme_user.two() == 4
    assert acme_user.User().one() == 2
    assert acme_user.DEFAULT.size == 3
    assert acme_user.SIZE.get("small") == 1
    import acme_heavy  # type: ignore[import-not-found]

    assert acme_user.accept(acme_heavy.Base())
    assert acme_user.DEFAULT == acme_user.DEFAULT
    assert hash(acme_user.DEFAULT)

    class Derived(acme_user.Base):  # type: ignore[misc]
        pass

    assert Derived.__mro__[1] is acme_heavy.Base


def test_modules_hold_the_real_object_once_it_is_made(example: str) -> None:
    with light_imports():
        import acme_user
    assert isinstance(acme_user.Base, Deferred)
    assert acme_user.DEFAULT.size == 3
    assert isinstance(acme_user.Base, type)
    assert isinstance(acme_user.DEFAULT, acme_user.Base)
    assert isinstance(acme_user.SIZE, Deferred)  # nobody asked for it yet


def test_a_deferred_object_can_be_looked_at_copied_and_pickled(example: str) -> None:
    with light_imports():
        import acme_user
    base, doubled = acme_user.Base, acme_user.doubled
    assert not issubclass(int, base)
    assert copy.copy(base) is base
    assert copy.deepcopy([base]) == [base]
    assert pickle.loads(pickle.dumps(doubled)) is doubled.real()
    assert list(inspect.signature(doubled).parameters) == ["function"]
    assert issubclass(base.real(), base)


def test_what_is_used_inside_the_block_is_real_there_and_later(example: str) -> None:
    with light_imports():
        import acme_user

        assert acme_user.Base == acme_user.Base
        assert isinstance(acme_user.Base, type)
        assert not isinstance(acme_user.DEFAULT.real(), Deferred)
    assert acme_user.DEFAULT.size == 3


def test_other_threads_reach_real_objects_while_one_is_inside_the_block(example: str) -> None:
    with light_imports():
        import acme_user
    first, found = acme_user.DEFAULT, []

    def other() -> None:
        import acme_heavy

        found.extend([first.size, acme_heavy.Base])

    with light_imports():
        import acme_heavy

        assert isinstance(acme_heavy.SIZES, Deferred)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == [3, sys.modules["acme_heavy"].Base]
    assert not isinstance(found[1], Deferred)


def test_a_module_that_is_loaded_already_is_not_stood_in_for(example: str) -> None:
    import acme_heavy

    with light_imports():
        import acme_user
    assert acme_user.Base is acme_heavy.Base


def test_outside_the_block_and_in_other_threads_everything_is_imported_as_ever(example: str) -> None:
    found: list[object] = []

    def other() -> None:
        import acme_heavy

        found.append(acme_heavy.Base)

    with light_imports():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert isinstance(found[0], type)


def test_an_operator_can_have_everything_imported_at_once(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENOTE_LIGHT_IMPORTS", "0")
    with light_imports():
        import acme_user
    assert not isinstance(acme_user.Base, Deferred)


def test_code_that_relies_on_an_import_of_others_reaches_the_real_module(example: str, tmp_path: Path) -> None:
    (tmp_path / "acme_package").mkdir()
    (tmp_path / "acme_package" / "__init__.py").write_text("")
    (tmp_path / "acme_package" / "heavy.py").write_text("class Kind: pass\n")
    with light_imports(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(deferred._OPEN, threading.get_ident(), ("acme_package.heavy",))
        import acme_package.heavy  # type: ignore[import-not-found]
    assert "acme_package.heavy" not in sys.modules
    kind = acme_package.heavy.Kind
    assert isinstance(kind, type)
    assert sys.modules["acme_package.heavy"].Kind is kind
    assert acme_package.heavy is sys.modules["acme_package.heavy"]
    for name in ("acme_package", "acme_package.heavy"):
        del sys.modules[name]
