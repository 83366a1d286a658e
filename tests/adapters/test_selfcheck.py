"""Packed execution is used only where it is exact, whatever a table says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    FNetConfig,
    FNetModel,
    NystromformerConfig,
    NystromformerModel,
    PreTrainedModel,
    T5Config,
    T5EncoderModel,
)

from cenote import LLM
from cenote.adapters.attention import packed_attention
from cenote.adapters.backbone import PackedBackbone
from cenote.adapters.families import FAMILIES, Family
from cenote.adapters.packing import pack
from cenote.adapters.selfcheck import choose_execution
from cenote.checkpoints import build_config, load_backbone, open_checkpoint
from cenote.errors import CheckpointError, ShapeError
from cenote.testing.checkpoints import build_checkpoint


def _backbone(name: str, folder: Path) -> object:
    checkpoint = open_checkpoint(str(build_checkpoint(name, folder / name)))
    return load_backbone(
        checkpoint, build_config(checkpoint), dtype=torch.float32, device="cpu", attn_implementation=None
    )


@pytest.mark.parametrize("name", ["mpnet", "deberta_v2"])
def test_a_model_that_leaks_silently_is_found_by_its_numbers(name: str, tmp_path: Path) -> None:
    trusting = Family(title=name, packs=True, positions="after_padding" if name == "mpnet" else "from_zero")
    backbone, reason, _ = choose_execution(_backbone(name, tmp_path), trusting, "auto", 64)
    assert backbone.execution == "padded"
    assert reason


@pytest.mark.parametrize("name", ["bert", "modernbert", "qwen3"])
def test_a_model_that_packs_is_packed(name: str, tmp_path: Path) -> None:
    backbone, _, _ = choose_execution(_backbone(name, tmp_path), Family(title=name), "auto", 64)
    assert backbone.execution == "packed"


def test_positions_that_start_behind_the_padding_id_are_found(tmp_path: Path) -> None:
    backbone, _, _ = choose_execution(_backbone("roberta", tmp_path), Family(title="RoBERTa"), "auto", 64)
    assert isinstance(backbone, PackedBackbone)
    assert backbone.position_offset == 2


def test_a_text_that_spells_the_padding_token_gets_the_positions_that_roberta_gives_it(tmp_path: Path) -> None:
    folder = str(build_checkpoint("roberta", tmp_path / "m", normalize=False))
    model: Any = AutoModel.from_pretrained(folder).eval()
    with LLM(folder) as llm:
        outputs = llm.encode(["a <pad> b", "one two"], pooling_task="token_embed", use_tqdm=False)
        assert llm.report()["execution"].startswith("packed")
    assert model.config.pad_token_id in outputs[0].prompt_token_ids
    for output in outputs:
        ids = torch.tensor([output.prompt_token_ids])
        with torch.no_grad():
            expected = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        torch.testing.assert_close(output.outputs.data, expected, atol=2e-5, rtol=0)


def test_forcing_packed_on_a_model_that_cannot_is_an_error(tmp_path: Path) -> None:
    folder = build_checkpoint("mpnet", tmp_path / "m")
    with pytest.raises(CheckpointError, match="Packed execution was asked for"):
        LLM(str(folder), execution="packed")


def test_padded_execution_can_be_asked_for_and_gives_the_same_vectors(tmp_path: Path) -> None:
    folder = str(build_checkpoint("bert", tmp_path / "m"))
    texts = ["one", "two words", "a text of five words", "x y z"]
    vectors = []
    for execution in ("packed", "padded"):
        with LLM(folder, execution=execution) as llm:
            assert llm.report()["execution"].startswith(execution)
            vectors.append(torch.tensor([output.outputs.embedding for output in llm.embed(texts, use_tqdm=False)]))
    torch.testing.assert_close(vectors[0], vectors[1], atol=2e-6, rtol=0)


def test_broken_weights_are_an_error_at_load(tmp_path: Path) -> None:
    model = _backbone("bert", tmp_path)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        choose_execution(model, FAMILIES["bert"], "auto", 64)


def _foreign(model: PreTrainedModel, folder: Path) -> str:
    """Save a model of a class that the kit has no family for, beside the tokenizer of the BERT look-alike."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.3)
    build_checkpoint("bert", folder, sentence_transformers=False)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder)
    return str(folder)


SIZES = {"vocab_size": 640, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}


def test_a_model_that_mixes_padding_in_runs_only_equal_lengths_together(tmp_path: Path) -> None:
    folder = _foreign(FNetModel(FNetConfig(**SIZES, max_position_embeddings=160)), tmp_path)
    texts = [" ".join(["fox"] * count) for count in (20, 21, 22, 21)]
    with LLM(folder, convert="embed") as llm:
        assert "only equal lengths" in llm.report()["execution"]
        together = torch.tensor([output.outputs.embedding for output in llm.embed(texts, use_tqdm=False)])
        alone = torch.tensor([llm.embed(text, use_tqdm=False)[0].outputs.embedding for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_the_encoder_half_of_t5_loads_alone(tmp_path: Path) -> None:
    config = T5Config(vocab_size=640, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    model = T5EncoderModel(config)
    with LLM(_foreign(model, tmp_path), convert="embed") as llm:
        (output,) = llm.encode("the fox", pooling_task="token_embed", use_tqdm=False)
    with torch.no_grad():
        hidden = model.eval()(input_ids=torch.tensor([output.prompt_token_ids])).last_hidden_state[0]
    expected = torch.nn.functional.normalize(hidden, dim=-1)
    torch.testing.assert_close(output.outputs.data, expected, atol=1e-5, rtol=0)


def test_a_model_that_the_generic_adapter_cannot_call_is_one_clear_error(tmp_path: Path) -> None:
    config = NystromformerConfig(
        **SIZES, num_attention_heads=4, max_position_embeddings=160, num_landmarks=4, segment_means_seq_len=160
    )
    with pytest.raises(CheckpointError, match="cannot be run by the generic adapter"):
        LLM(_foreign(NystromformerModel(config), tmp_path), convert="embed")


def _call(**changes: object) -> None:
    rows = torch.zeros(1, 2, 4, 8)
    arguments: dict[str, object] = {
        "attention_mask": None,
        "cu_seq_lens_q": torch.tensor([0, 4]),
        "packed_lengths": (4,),
        "packed_key_lengths": (4,),
        "is_causal": False,
    }
    packed_attention(nn.Identity(), rows, rows, rows, **{**arguments, **changes})  # type: ignore[arg-type]


def test_the_attention_function_fails_closed() -> None:
    _call()
    with pytest.raises(ShapeError, match="without sequence lengths"):
        _call(cu_seq_lens_q=None)
    with pytest.raises(ShapeError, match="does not know position_bias"):
        _call(position_bias=torch.zeros(2))
    with pytest.raises(ShapeError, match="attention masks"):
        _call(attention_mask=torch.zeros(1))


class _MixesRows(BertModel):
    """Each row sees the first tokens of all rows: what experts of limited capacity do, in the plain."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, **others: Any) -> Any:
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask)
        output.last_hidden_state = output.last_hidden_state + output.last_hidden_state[:, 0].mean(dim=0)
        return output


class _DrawsNumbers(BertModel):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, **others: Any) -> Any:
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask)
        output.last_hidden_state = output.last_hidden_state + torch.randn_like(output.last_hidden_state)
        return output


class _HalvesTheSequence(BertModel):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, **others: Any) -> Any:
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask)
        output.last_hidden_state = output.last_hidden_state[:, ::2]
        return output


def _tiny_bert(model_class: type[BertModel]) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(**SIZES, num_attention_heads=4, max_position_embeddings=160, initializer_range=0.3)
    return model_class(config, add_pooling_layer=False).eval()


def test_a_model_whose_rows_see_each_other_runs_one_sequence_at_a_time() -> None:
    model = _tiny_bert(_MixesRows)
    backbone, reason, probe = choose_execution(model, Family(title="x"), "auto", 64)
    assert "every sequence runs alone" in reason
    together = probe.together(backbone)
    alone = torch.cat([probe.alone(backbone, index) for index in range(len(probe.sequences))])
    assert torch.equal(together, alone)


def test_a_model_that_draws_random_numbers_is_refused() -> None:
    with pytest.raises(CheckpointError, match="something else when the same tokens are run again"):
        choose_execution(_tiny_bert(_DrawsNumbers), Family(title="x"), "auto", 64)


def test_a_model_without_a_hidden_state_per_token_is_refused() -> None:
    with pytest.raises(CheckpointError, match="it gives 5 hidden states for 9 tokens"):
        choose_execution(_tiny_bert(_HalvesTheSequence), Family(title="x"), "auto", 64)


def test_what_the_table_says_of_padding_wins_over_short_probes() -> None:
    model = _tiny_bert(BertModel)
    _, reason, _ = choose_execution(model, Family(title="x", packs=False, reason="r", rows="equal"), "auto", 64)
    assert reason == "x does not run packed: r; padding changes its results, so that only equal lengths run together"


def _packed(model: PreTrainedModel, max_tokens: int) -> PackedBackbone:
    backbone, _, _ = choose_execution(model.eval(), Family(title="any"), "packed", max_tokens)
    assert isinstance(backbone, PackedBackbone)
    return backbone


def test_a_model_that_refuses_rows_longer_than_its_positions_runs_several_rows() -> None:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads: dict[str, Any] = {"num_attention_heads": 2, "vocab_size": 90, "max_position_embeddings": 60}
    backbone = _packed(CLIPTextModel(CLIPTextConfig(**sizes, **heads, bos_token_id=0, eos_token_id=2)), 60)
    assert backbone.longest_row == 60
    sequences = [tuple(range(3, 3 + length)) for length in (60, 1, 58, 1, 1, 7, 60)]
    with torch.inference_mode():
        together = backbone(pack(sequences))
        alone = torch.cat([backbone(pack([ids])) for ids in sequences])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_model_that_takes_any_row_gets_one() -> None:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = BertConfig(**sizes, num_attention_heads=2, vocab_size=90, max_position_embeddings=60)
    assert _packed(BertModel(config), 60).longest_row is None
