"""What users of other engines look up on a loaded model."""

from __future__ import annotations

from pathlib import Path

import cenote
from cenote import LLM, ModelRegistry
from cenote.testing.checkpoints import build_checkpoint


def test_a_model_tells_its_config_tokenizer_runner_and_tasks(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path)
    with LLM(folder, hf_overrides={"hidden_dropout_prob": 0.5}) as llm:
        assert llm.model_config["model_type"] == "bert"
        assert llm.model_config["hidden_dropout_prob"] == 0.5
        assert llm.get_tokenizer().cls_token == "[CLS]"
        assert llm.runner_type == "pooling"
        assert llm.pooling_task == "embed"
        assert llm.supported_tasks == ("embed", "token_embed")
        llm.reset_mm_cache()


def test_an_architecture_is_added_from_a_program_and_taken_out_again(tmp_path: Path) -> None:
    folder = build_checkpoint("bert", tmp_path, config={"architectures": ["MyOwnBert"]})
    remove = ModelRegistry.register_model("MyOwnBert", "cenote.adapters.embed:EmbedderAdapter")
    try:
        assert "MyOwnBert" in ModelRegistry.get_supported_archs()
        with LLM(str(folder)) as llm:
            assert llm.report()["architecture"].startswith("MyOwnBert")
            assert llm.embed("text", use_tqdm=False)[0].outputs.hidden_size == llm.limits.embedding_size
    finally:
        remove()
    assert "MyOwnBert" not in ModelRegistry.get_supported_archs()


def test_every_public_name_can_be_imported() -> None:
    for name in cenote.__all__:
        assert getattr(cenote, name) is not None
