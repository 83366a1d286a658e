"""How many tokens a prompt may have."""

from __future__ import annotations

import pytest
from transformers import BertConfig, LlamaConfig, MPNetConfig, NomicBertConfig, Qwen3Config, XLMRobertaConfig

from cenote.errors import InvalidRequest
from cenote.inputs import DEFAULT_MAX_TOKENS, resolve_max_tokens


def test_sentence_transformers_files_win_over_the_config() -> None:
    found = resolve_max_tokens(BertConfig(max_position_embeddings=512), max_seq_length=256, model_max_length=512)
    assert (found.value, found.source) == (256, "sentence_transformers")


def test_absolute_positions_cap_everything() -> None:
    config = BertConfig(max_position_embeddings=512)
    assert resolve_max_tokens(config, max_seq_length=1000).value == 512
    assert resolve_max_tokens(config, model_max_length=300).value == 300
    assert resolve_max_tokens(config, model_max_length=int(1e30)).value == 512


@pytest.mark.parametrize("config", [XLMRobertaConfig, MPNetConfig], ids=["xlm-roberta", "mpnet"])
def test_positions_that_start_behind_the_padding_id_cost_rows(
    config: type[XLMRobertaConfig] | type[MPNetConfig],
) -> None:
    assert resolve_max_tokens(config(max_position_embeddings=514, pad_token_id=1)).value == 512
    assert resolve_max_tokens(config(max_position_embeddings=514, pad_token_id=1), max_seq_length=514).value == 512


def test_rotary_models_follow_the_files_upwards_and_ignore_the_tokenizer() -> None:
    config = NomicBertConfig(max_position_embeddings=2048)
    assert resolve_max_tokens(config, max_seq_length=8192).value == 8192
    assert resolve_max_tokens(config, model_max_length=512).value == 2048


def test_stretched_rope_counts() -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "rope_theta": 1e6}
    assert resolve_max_tokens(Qwen3Config(max_position_embeddings=32768, rope_parameters=rope)).value == 131072
    linear = {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}
    assert resolve_max_tokens(LlamaConfig(max_position_embeddings=2048, rope_parameters=linear)).value == 2048


def test_the_user_may_ask_for_less_or_for_all_that_the_config_allows() -> None:
    config = BertConfig(max_position_embeddings=512)
    assert str(resolve_max_tokens(config, user=32, max_seq_length=256)) == "32 (user)"
    assert resolve_max_tokens(config, user=512, max_seq_length=256).value == 512
    for wrong in (513, 0, -5):
        with pytest.raises(InvalidRequest, match=f"{wrong}.*512") as caught:
            resolve_max_tokens(config, user=wrong, max_seq_length=256)
        assert caught.value.param == "max_model_len"


def test_nothing_known_gives_the_default() -> None:
    found = resolve_max_tokens(object())
    assert (found.value, found.source) == (DEFAULT_MAX_TOKENS, "pooler_default")
