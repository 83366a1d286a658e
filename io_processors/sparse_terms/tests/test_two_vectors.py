"""A model that has a dense vector of its own beside its sparse one, as BGE-M3 has: two sizes, not one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cenote import LLM
from cenote.io_processors import RequestContext
from cenote.outputs import PoolingRequestOutput
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint
from cenote_sparse_terms import SparseTerms

#: A plugin in one module: BERT's vector as `embed`, and how often a text has each token as `sparse_embed`.
PLUGIN = """
from cenote.registry import ArchitectureSpec

SPEC = ArchitectureSpec(
    name="two-vectors",
    architectures=("BertModel",),
    adapter="two_vectors:Adapter",
    tasks=("embed", "sparse_embed"),
    markers=("config:two_vectors=true",),
)


class Counts:
    def __init__(self, size):
        self.size = size

    def supported_tasks(self):
        return frozenset({"sparse_embed"})

    def __call__(self, hidden, batch):
        import torch

        rows = [torch.bincount(torch.tensor(row.token_ids), minlength=self.size).float() for row in batch.rows]
        return [{"sparse_embed": counts.to_sparse()} for counts in rows]


class Adapter:
    @classmethod
    def load(cls, checkpoint, options):
        from cenote.adapters.embed import EmbedderAdapter
        from cenote.poolers import TaskPooler

        model = EmbedderAdapter.load(checkpoint, options)
        sparse = Counts(model.limits.max_token_id + 1)
        model.pooler = TaskPooler({"embed": model.pooler.poolers["embed"], "sparse_embed": sparse})
        return model
"""
TEXTS = ["How deep is the well?", "Salt water lies below the fresh water."]


class BothVectors(SparseTerms):
    """The terms and, in one pass, the size of the dense vector."""

    Response = None
    tasks = ("embed&sparse_embed",)

    def post_process(self, outputs: Sequence[PoolingRequestOutput], context: RequestContext) -> Any:
        dense = [len(output.outputs.by_task["embed"]) for output in outputs]
        return {"dense": dense, "terms": super().post_process(outputs, context)}


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    """The model, with both processors."""
    place = tmp_path_factory.mktemp("two")
    (place / "two_vectors.py").write_text(PLUGIN)
    registry = default_registry()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        undo = [
            registry.register("cenote.architectures", "BertModel", "two_vectors:SPEC", distribution="two-vectors"),
            registry.register("cenote.io_processors", "both-vectors", BothVectors),
        ]
        folder = build_checkpoint("bert", place / "model", config={"two_vectors": True})
        with LLM(str(folder), io_processor_plugin=["sparse-terms", "both-vectors"]) as model:
            yield model
        for each in undo:
            each()


def ask(llm: LLM, processor: str, **data: Any) -> Any:
    (output,) = llm.encode(
        {"data": {"texts": TEXTS, **data}}, pooling_task="plugin", io_processor=processor, use_tqdm=False
    )
    return output.outputs.data


def counts(llm: LLM) -> list[dict[str, float]]:
    """Return how often each text has each token, by the tokenizer."""
    tokens = [llm.token_texts(output.prompt_token_ids) for output in llm.embed(TEXTS, use_tqdm=False)]
    return [{name: float(count) for name, count in Counter(each).items()} for each in tokens]


def test_terms_are_named_whatever_the_size_of_the_dense_vector(llm: LLM) -> None:
    assert llm.limits.embedding_size < llm.limits.max_token_id
    vectors = ask(llm, "sparse-terms").vectors
    assert max(max(vector.indices) for vector in vectors) >= llm.limits.embedding_size
    assert [vector.terms for vector in vectors] == counts(llm)


@pytest.mark.parametrize("form", ["indices", "qdrant", "milvus", "pinecone", "vespa"])
def test_every_form_is_written(llm: LLM, form: str) -> None:
    assert len(ask(llm, "sparse-terms", format=form).vectors) == len(TEXTS)


def test_a_class_of_ones_own_gets_both_from_one_pass(llm: LLM) -> None:
    answer = ask(llm, "both-vectors")
    assert answer["dense"] == [llm.limits.embedding_size] * 2
    assert [vector.terms for vector in answer["terms"].vectors] == counts(llm)
