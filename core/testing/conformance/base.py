"""What all parts of the adapters' kit share: what the model is like, fixtures, and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from cenote.checkpoints import open_checkpoint
from cenote.engine import LLM
from cenote.registry import ArchitectureSpec, ResolvedAdapter, resolve_adapter
from cenote.testing.capabilities import Capable
from cenote.testing.texts import sample_texts
from cenote.types import PoolingParams

__all__ = ["CUT", "AdapterBase", "Alone", "Reference", "encode", "numbers", "run"]

#: From texts (or, for scores, pairs of texts) to one array each.
Reference = Callable[[Sequence[Any]], Sequence[Any]]
#: From a task to its result for each prompt, each computed in a call of its own.
Alone = Callable[[str], list[Any]]

#: Over-long texts are cut.
CUT: Mapping[str, Any] = {"truncate_prompt_tokens": -1}
_REFERENCES = ("reference", "token_reference", "sparse_reference", "classify_reference", "score_reference")


class AdapterBase(Capable):
    """What the model under test is like. Results are compared with `tolerance`, relative where they are above 1.

    Attributes:
        tasks: all tasks of the model, the main one first: the tests of limits and threads run that one. `score` counts
            as a task of models with one label.
        reads: `texts`, or `pairs` where the model cannot read a text alone.
        pooling: how the checkpoint pools: `MEAN`, `CLS`, `LAST`, or another name.
        normalized: `embed` gives vectors of length 1; None: not tested.
        linear_head: what follows pooling commutes with a mean (nothing, or Dense modules without bias and activation).
        activation: what follows the logits of `classify` and `token_classify`; None: not tested.
        dimensions: sizes that vectors may be cut to (matryoshka models); empty: any other size is refused; None: not
            tested.
        by_role: queries and documents are read differently.
        late_interaction: texts are compared by the vectors of their tokens, of which some may have none.
        image: images are read, alone; the fixture `pictures` says which.
        image_documents: a reranker reads images as documents.
        text_beside_image: a text may stand beside an image.
        placeholder: the token that stands for an image in a prompt; empty: not tested.
        lora: low-rank adapters are taken; the fixture `lora_folder` writes one.
        tolerance: largest difference allowed between two ways to compute the same.
        separation: smallest distance (1 - cosine) between vectors of different texts.
        options: further options of `LLM`.
    """

    tasks: ClassVar[tuple[str, ...]] = ("embed", "token_embed")
    reads: ClassVar[Literal["texts", "pairs"]] = "texts"
    pooling: ClassVar[str] = "MEAN"
    normalized: ClassVar[bool | None] = True
    linear_head: ClassVar[bool] = True
    activation: ClassVar[Literal["softmax", "sigmoid", "none"] | None] = None
    dimensions: ClassVar[tuple[int, ...] | None] = ()
    by_role: ClassVar[bool] = False
    late_interaction: ClassVar[bool] = False
    image: ClassVar[bool] = False
    image_documents: ClassVar[bool] = False
    text_beside_image: ClassVar[bool] = True
    placeholder: ClassVar[str] = ""
    lora: ClassVar[bool] = False
    tolerance: ClassVar[float] = 2e-5
    separation: ClassVar[float] = 1e-3
    options: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def capabilities(cls) -> frozenset[str]:
        """Return the tasks, the references that a subclass gives, and what else its attributes say."""
        found = {
            cls.reads: True,
            "normalized": cls.normalized is not None,
            "pooled tokens": cls.pooling in ("MEAN", "CLS", "LAST") and cls.linear_head and "token_embed" in cls.tasks,
            "activation": cls.activation is not None,
            "dimensions": bool(cls.dimensions),
            "fixed size": cls.dimensions == (),
            "roles": cls.by_role,
            "late interaction": cls.late_interaction,
            "scores": cls.late_interaction or "score" in cls.tasks,
            "image": cls.image,
            "image documents": cls.image_documents,
            "text beside image": cls.text_beside_image,
            "placeholder": bool(cls.placeholder),
            "lora": cls.lora,
            "several tasks": len(cls.own_tasks()) > 1,
        }
        given = (name for name in _REFERENCES if cls._gives(name))
        return frozenset({name for name, has in found.items() if has}.union(given, cls.tasks))

    @classmethod
    def _gives(cls, fixture: str) -> bool:
        """Tell whether a subclass overrides a fixture; one that sets it to None takes back what its own base gives."""
        owner = next(kind for kind in cls.__mro__ if fixture in vars(kind))
        return owner is not AdapterBase and vars(owner)[fixture] is not None

    @classmethod
    def for_spec(cls, spec: ArchitectureSpec, **attributes: Any) -> type[AdapterBase]:
        """Return a class of tests for what a spec promises, where nothing else is known of the model.

        Args:
            spec: whose tasks are tested.
            **attributes: further attributes, and fixtures; one of them must be `checkpoint`.
        """
        unknown = {
            "pooling": "",
            "normalized": None,
            "separation": -1.0,
            "dimensions": None,
            "text_beside_image": False,
        }
        promised = {"tasks": spec.tasks, "image": "image" in spec.modalities}
        return type(f"Test_{spec.name.replace('-', '_')}", (cls,), {**unknown, **promised, **attributes})

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Run the tests that take a `task` once for each task."""
        if "task" in metafunc.fixturenames:
            metafunc.parametrize("task", cls.own_tasks())

    @classmethod
    def own_tasks(cls) -> tuple[str, ...]:
        """Return the tasks that read one prompt for one result: all but `score`, which has tests of its own."""
        return tuple(task for task in cls.tasks if task != "score")

    # Fixtures to override.

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls) -> str | Path:
        """Folder or name of the checkpoint. Must be overridden."""
        raise cls.missing("the fixture 'checkpoint'")

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls) -> Reference:
        """From texts to their `embed` vectors by the model's own library, over-long texts cut."""
        raise cls.missing("the fixture 'reference'")

    @pytest.fixture(scope="class")
    @classmethod
    def token_reference(cls) -> Reference:
        """From texts to their [tokens, hidden] vectors of `token_embed`, not normalised, by the model's own library."""
        raise cls.missing("the fixture 'token_reference'")

    @pytest.fixture(scope="class")
    @classmethod
    def sparse_reference(cls) -> Reference:
        """From texts to their weights of all terms, [vocabulary size], by the model's own library."""
        raise cls.missing("the fixture 'sparse_reference'")

    @pytest.fixture(scope="class")
    @classmethod
    def classify_reference(cls) -> Reference:
        """From prompts to what `classify`, or else `token_classify`, gives for them, by the model's own library."""
        raise cls.missing("the fixture 'classify_reference'")

    @pytest.fixture(scope="class")
    @classmethod
    def score_reference(cls) -> Reference:
        """From pairs (query, document) to their scores by the model's own library."""
        raise cls.missing("the fixture 'score_reference'")

    @pytest.fixture(scope="class")
    @classmethod
    def lora_folder(cls) -> Path:
        """Folder of a low-rank adapter of the checkpoint, as `cenote.testing.loras` writes it; asked for by `lora`."""
        raise cls.missing("the fixture 'lora_folder'")

    @pytest.fixture(scope="class")
    @classmethod
    def texts(cls) -> list[str]:
        """Texts to read: of unlike lengths, at least four."""
        return sample_texts()

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, checkpoint: str | Path) -> Iterator[LLM]:
        """The loaded model."""
        with LLM(str(checkpoint), **cls.options) as model:
            yield model

    # Fixtures of the kit.

    @pytest.fixture(scope="class")
    @classmethod
    def prompts(cls, texts: list[str]) -> list[Any]:
        """What the model reads: the texts, or pairs of them."""
        if cls.reads == "texts":
            return list(texts)
        return [{"text": texts[index - 1], "text_pair": text} for index, text in enumerate(texts)]

    @pytest.fixture(scope="class")
    @classmethod
    def resolved(cls, checkpoint: str | Path) -> ResolvedAdapter:
        """What the registry chose for the checkpoint."""
        facts = open_checkpoint(str(checkpoint))
        return resolve_adapter(facts, architectures=facts.architectures, model_type=facts.model_type)

    @pytest.fixture(scope="class")
    @classmethod
    def each_alone(cls, model: LLM, prompts: list[Any]) -> Alone:
        """The results of a task, each prompt in a call of its own; computed once."""
        known: dict[str, list[Any]] = {}

        def results(task: str) -> list[Any]:
            if task not in known:
                known[task] = [encode(model, [prompt], task)[0] for prompt in prompts]
            return known[task]

        return results

    @pytest.fixture(scope="class")
    @classmethod
    def alone(cls, each_alone: Alone) -> list[Any]:
        """The results of the main task, each prompt in a call of its own."""
        return each_alone(cls.tasks[0])


def run(model: LLM, prompts: Any, task: str, tokenization: Mapping[str, Any] = CUT, **params: Any) -> list[Any]:
    """Return the outputs of a task."""
    options: dict[str, Any] = {"use_tqdm": False, "tokenization_kwargs": dict(tokenization)}
    options |= {name: params.pop(name) for name in ("role", "lora") if name in params}
    return model.encode(prompts, PoolingParams(**params), pooling_task=task, **options)


def numbers(output: Any) -> Any:
    """Return the array of a raw output; sparse ones with all their zeros."""
    return output.outputs.data.to_dense().numpy()


def encode(model: LLM, prompts: Any, task: str, **params: Any) -> list[Any]:
    """Return the arrays of a task; over-long texts are cut."""
    return [numbers(output) for output in run(model, prompts, task, **params)]
