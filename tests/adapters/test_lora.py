"""Low-rank adapters: any mix in a batch equals peft's merged models, each run alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel

from cenote import LLM, PoolingParams
from cenote.adapters.linears import PreparedLinear
from cenote.adapters.lora import LoraStore, LowRank
from cenote.adapters.packing import pack
from cenote.adapters.probes import Probe
from cenote.errors import CheckpointError, InvalidRequest, ModelNotFound, ShapeError
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.compare import assert_close
from cenote.testing.loras import build_lora, merge_lora
from cenote.testing.texts import sample_texts
from cenote.types import PackedBatch

#: Per family, what two adapters target: attention, feed forward and embeddings, then less.
TARGETS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "bert": (["query", "value", "dense", "word_embeddings"], ["key", "intermediate.dense"]),
    "xlm_roberta": (["query", "key", "dense"], ["value", "token_type_embeddings"]),
    "modernbert": (["Wqkv", "Wo", "Wi", "tok_embeddings"], ["Wqkv"]),
    "qwen3": (["q_proj", "o_proj", "gate_proj", "down_proj", "embed_tokens"], ["v_proj", "up_proj"]),
}
SETTINGS: tuple[dict[str, Any], ...] = ({"r": 4, "lora_alpha": 9}, {"r": 3, "lora_alpha": 2, "use_rslora": True})
NAMES = (None, "first", "second", "second", "first", None, "first")


class Family:
    """A look-alike with two adapters."""

    def __init__(self, name: str, folder: Path, **layout: Any) -> None:
        self.base = build_checkpoint(name, folder / "base", **layout)
        self.folders = {
            lora: build_lora(self.base, folder / lora, targets=targets, name=lora, **settings)
            for lora, targets, settings in zip(("first", "second"), TARGETS[name], SETTINGS, strict=True)
        }

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(f"{name}={folder}" for name, folder in self.folders.items())

    @cached_property
    def references(self) -> dict[str | None, Any]:
        merged = {name: merge_lora(self.base, folder) for name, folder in self.folders.items()}
        return {None: AutoModel.from_pretrained(self.base, dtype=torch.float32).eval(), **merged}

    @torch.inference_mode()
    def expected(self, name: str | None, ids: list[int]) -> Tensor:
        """Return [tokens, hidden] by transformers, with the adapter merged by peft, the sequence alone."""
        hidden: Tensor = self.references[name](input_ids=torch.tensor([ids])).last_hidden_state[0]
        return hidden


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Family]:
    return {name: Family(name, tmp_path_factory.mktemp(name)) for name in TARGETS}


def tokens(llm: LLM, prompts: Any, names: Sequence[str | None]) -> list[Any]:
    params = [PoolingParams(lora=name, use_activation=False) for name in names]
    return llm.encode(prompts, params, pooling_task="token_embed", use_tqdm=False)


def assert_all_merged(family: Family, llm: LLM, prompts: Any, names: Sequence[str | None]) -> None:
    for output, name in zip(tokens(llm, prompts, names), names, strict=True):
        expected = family.expected(name, output.prompt_token_ids)
        assert_close(output.outputs.data, expected, tolerance=2e-5, name=f"adapter {name}")


@pytest.mark.parametrize("execution", ["packed", "padded"])
@pytest.mark.parametrize("name", TARGETS)
def test_a_mixed_batch_equals_the_merged_models_alone(
    name: str, execution: str, families: Mapping[str, Family]
) -> None:
    family = families[name]
    with LLM(str(family.base), execution=execution, lora_modules=family.modules) as llm:
        assert_all_merged(family, llm, sample_texts()[: len(NAMES)], NAMES)
        # The engine may split a call; this is one batch in any case.
        prompts = [tuple(output.prompt_token_ids) for output in tokens(llm, sample_texts()[: len(NAMES)], NAMES)]
        with torch.inference_mode():
            hidden = _store(llm).backbone(pack(prompts, loras=list(NAMES)))
        for rows, ids, lora in zip(hidden.split([len(ids) for ids in prompts]), prompts, NAMES, strict=True):
            assert_close(rows, family.expected(lora, list(ids)), tolerance=2e-5, name=f"adapter {lora} in one batch")


def test_adapters_run_where_rotary_frequencies_depend_on_length(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}
    config = {"rope_parameters": rope, "max_position_embeddings": 16}
    family = Family("qwen3", tmp_path, config=config, max_seq_length=64)
    generator = torch.Generator().manual_seed(3)
    prompts = [torch.randint(10, 200, (size,), generator=generator).tolist() for size in (5, 12, 9, 16, 7, 3, 11)]
    with LLM(str(family.base), lora_modules=family.modules) as llm:
        long = prompts[0] * 8
        together = tokens(llm, [*prompts, long, long], [*NAMES, "first", None])
        for output, name in zip(together, NAMES, strict=False):
            expected = family.expected(name, output.prompt_token_ids)
            assert_close(output.outputs.data, expected, tolerance=2e-5, name=f"adapter {name}")
        # transformers remembers the longest sequence, so the long ones come last.
        for output, name in zip(together[len(NAMES) :], ("first", None), strict=True):
            assert_close(output.outputs.data, family.expected(name, long), tolerance=2e-5, name=f"long, adapter {name}")


def test_a_row_without_adapter_keeps_every_bit(families: Mapping[str, Family]) -> None:
    with LLM(str(families["bert"].base), lora_modules=families["bert"].modules) as llm:
        texts = sample_texts()[: len(NAMES)]
        mixed, plain = tokens(llm, texts, NAMES), tokens(llm, texts, [None] * len(NAMES))
        for name, one, other in zip(NAMES, mixed, plain, strict=True):
            assert torch.equal(one.outputs.data, other.outputs.data) is (name is None)


def test_an_adapter_comes_and_goes_and_leaves_nothing_behind(families: Mapping[str, Family]) -> None:
    family = families["bert"]
    with LLM(str(family.base), enable_lora=True) as llm:
        store = _store(llm)
        texts = sample_texts()[:3]
        before = tokens(llm, texts, [None] * 3)
        store.load("first", family.folders["first"])
        store.load("second", family.folders["second"])
        assert store.names() == ("first", "second")
        store.unload("first")
        assert store.names() == ("second",)
        assert_all_merged(family, llm, texts, ["second", None, "second"])
        store.unload("second")
        for one, other in zip(tokens(llm, texts, [None] * 3), before, strict=True):
            assert torch.equal(one.outputs.data, other.outputs.data)


def test_one_adapter_can_be_loaded_under_two_names(families: Mapping[str, Family]) -> None:
    family = families["qwen3"]
    with LLM(str(family.base), lora_modules=family.modules) as llm:
        _store(llm).load("again", family.folders["first"])
        (one, other) = tokens(llm, [sample_texts()[0]] * 2, ["again", "first"])
        assert torch.equal(one.outputs.data, other.outputs.data)


def test_adapters_come_and_go_while_requests_run(families: Mapping[str, Family]) -> None:
    family = families["bert"]
    texts = sample_texts()[: len(NAMES)]
    with LLM(str(family.base), lora_modules=family.modules) as llm, ThreadPoolExecutor(1) as pool:
        store = _store(llm)

        def churn() -> None:
            for number in range(8):
                store.load(f"third {number}", family.folders["first"])
                store.unload(f"third {number}")

        churning = pool.submit(churn)
        while not churning.done():
            assert_all_merged(family, llm, texts, NAMES)
        churning.result()


def test_an_unknown_adapter_is_refused_by_name(families: Mapping[str, Family]) -> None:
    with LLM(str(families["bert"].base), lora_modules=families["bert"].modules) as llm:
        with pytest.raises(ModelNotFound, match=r"'third'.*first, second"):
            tokens(llm, "x", ["third"])
        store = _store(llm)
        for loras in (["third"], ["first", "third"], [None, "third"]):
            with pytest.raises(ModelNotFound, match="'third'"):
                store.backbone(pack([(5, 6)] * len(loras), loras=loras))
        with pytest.raises(ModelNotFound, match="'third'"):
            store.unload("third")
        with pytest.raises(InvalidRequest, match="loaded already"):
            store.load("first", families["bert"].folders["first"])
        with pytest.raises(InvalidRequest, match="needs a name"):
            store.load("", families["bert"].folders["first"])


def test_adapters_run_in_bfloat16(families: Mapping[str, Family]) -> None:
    family = families["qwen3"]
    with LLM(str(family.base), dtype="bfloat16", lora_modules=family.modules) as llm:
        for output, name in zip(tokens(llm, sample_texts()[:3], NAMES[:3]), NAMES, strict=False):
            expected = family.expected(name, output.prompt_token_ids)
            assert_close(output.outputs.data / expected.abs().max(), expected / expected.abs().max(), tolerance=0.1)


def _store(llm: LLM) -> LoraStore:
    found = llm._loaded.model.loras  # type: ignore[attr-defined]
    assert isinstance(found, LoraStore)
    return found


class Tiny(nn.Module):
    """A model of two layers that runs any batch row by row; what it does beside calling its layers is the test's."""

    def __init__(self, kind: str = "plain") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(50, 8)
        self.layer = nn.Linear(8, 8)
        self.dtype = torch.float32
        self.kind = kind

    def forward(self, batch: PackedBatch) -> Tensor:
        rows: Tensor = self.table(batch.input_ids)
        if self.kind == "reads weights":
            return nn.functional.linear(rows, self.layer.weight)
        if self.kind == "other rows":
            return rows + self.layer(rows[:1])  # type: ignore[no-any-return]
        if self.kind == "leaks":
            return rows + self.layer(rows).cumsum(0)  # type: ignore[no-any-return]
        return rows + self.layer(rows)  # type: ignore[no-any-return]


class TinyBackbone:
    """Runs `Tiny`."""

    execution = "packed"

    def __init__(self, model: Tiny) -> None:
        self.model = model

    def __call__(self, batch: PackedBatch) -> Tensor:
        return self.model(batch)  # type: ignore[no-any-return]


def _tiny_store(kind: str) -> LoraStore:
    model = Tiny(kind)
    model.requires_grad_(False)
    return LoraStore(model, TinyBackbone(model), Probe(((7, 8, 9), (10,), (11, 12)), (None, None, None), "cpu"))


def _low_rank(size: int = 8) -> LowRank:
    generator = torch.Generator().manual_seed(1)
    return LowRank(torch.randn(2, size, generator=generator), torch.randn(8, 2, generator=generator))


def test_matrices_can_be_added_directly() -> None:
    store = _tiny_store("plain")
    update = _low_rank()
    store.add("a", {"layer": update})
    batch = pack([(3, 4), (5,)], loras=["a", None])
    plain, both = store.backbone(pack([(3, 4), (5,)])), store.backbone(batch)
    rows = store.backbone.inner.model.table(torch.tensor([3, 4]))  # type: ignore[attr-defined]
    torch.testing.assert_close(both[:2], plain[:2] + rows @ (update.up @ update.down).T)
    assert torch.equal(both[2], plain[2])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("reads weights", "does not call layer"),
        ("other rows", "got 1 rows of a batch of"),
        ("leaks", "mixed with others and alone, rows differ"),
    ],
)
def test_a_model_whose_layers_cannot_carry_adapters_is_found_at_load(kind: str, message: str) -> None:
    store = _tiny_store(kind)
    model: Any = store.backbone.inner.model  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=message):
        store.add("a", {"layer": _low_rank()})
    assert store.names() == ()
    assert type(model.layer) is nn.Linear


def test_matrices_of_other_sizes_and_unknown_layers_are_refused() -> None:
    store = _tiny_store("plain")
    with pytest.raises(CheckpointError, match="belongs to another model"):
        store.add("a", {"layer": _low_rank(size=9)})
    store.backbone.inner.model.layer = nn.Bilinear(8, 8, 8)  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match="Bilinear"):
        store.add("a", {"layer": _low_rank()})
    with pytest.raises(CheckpointError, match="part of the head"):
        store.add("a", {"pooler.dense": _low_rank()})


def test_an_activation_comes_after_what_an_adapter_adds(families: Mapping[str, Family]) -> None:
    with LLM(str(families["bert"].base), enable_lora=True) as llm:
        store = _store(llm)
        block = store.backbone.inner.model.encoder.layer[0].intermediate  # type: ignore[attr-defined]
        assert isinstance(block.intermediate_act_fn, nn.Identity)
        store.load("second", families["bert"].folders["second"])
        assert not isinstance(block.intermediate_act_fn, nn.Identity)
        assert isinstance(block.dense.base, PreparedLinear)
        store.unload("second")
        assert isinstance(block.intermediate_act_fn, nn.Identity)
        assert isinstance(block.dense, PreparedLinear)


def test_a_layer_that_gets_foreign_rows_raises() -> None:
    store = _tiny_store("plain")
    store.add("a", {"layer": _low_rank()})
    model: Any = store.backbone.inner.model  # type: ignore[attr-defined]
    model.kind = "other rows"
    with pytest.raises(ShapeError, match="1 rows of a batch of 3"):
        store.backbone(pack([(3, 4), (5,)], loras=["a", None]))
