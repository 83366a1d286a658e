"""Model types that are known not to run packed, by the reason why.

Found by running a tiny model of each class of transformers 5.23 (`tests/conformance/test_any_architecture.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

__all__ = ["EQUAL_LENGTHS", "PADDED_BECAUSE"]

_REASONS: Mapping[str, tuple[str, ...]] = {
    "its recurrent layers carry their state from one sequence into the next": (
        *("bailing_hybrid", "bamba", "falcon_h1", "falcon_mamba", "granitemoehybrid", "jamba", "kimi_linear", "mamba"),
        *("mamba2", "minimax", "nemotron_h", "olmo_hybrid", "qwen3_next", "qwen4_exp_text", "recurrent_gemma", "rwkv"),
        *("xlstm", "zamba", "zamba2"),
    ),
    "its convolution mixes neighbouring sequences": (
        *("convbert", "inkling2_text", "inkling_text", "mobilebert", "zaya"),
    ),
    "its relative position bias is computed for one padded sequence and ignores sequence borders": (
        *("bloom", "cpmant", "deberta", "funnel", "longt5", "mpt", "mt5", "switch_transformers", "t5", "umt5", "xlnet"),
    ),
    "its attention is code of its own that takes no sequence lengths": (
        *("falcon", "flaubert", "ibert", "lilt", "luke", "megatron-bert", "openai-gpt", "rembert", "roformer"),
        *("squeezebert", "tapas", "xglm", "xlm"),
    ),
    "its attention approximates full attention over the whole batch": ("fnet", "mra", "nystromformer", "yoso"),
    "its attention is cut into blocks of the padded sequence": (
        *("big_bird", "bigbird_pegasus", "led", "llama4_text", "longformer", "reformer"),
    ),
    "its attention chooses among the tokens of the whole batch": (
        *("axk2", "deepseek_v32", "deepseek_v4", "doge", "dots3_note_text", "glm5_next_text", "glm_moe_dsa", "hy_v4"),
        "mistral_large4_text",
    ),
    "it counts positions by itself, over the whole row": (
        *("bart", "blenderbot", "blenderbot-small", "fsmt", "marian", "mbart", "mvp", "pegasus", "plbart"),
        *("prophetnet", "trocr"),
    ),
    "it does not pass sequence lengths on to its attention": ("blt", "nemotron", "siglip_text_model", "stablelm"),
    "it builds an attention mask of its own": ("layoutlm", "markuplm"),
    "it scales its embeddings by the share of mask tokens in the whole row": ("esm",),
    "its window reaches less far than it tells the attention function": ("t5gemma",),
}

#: Reasons by model type.
PADDED_BECAUSE: Mapping[str, str] = MappingProxyType(
    {model_type: reason for reason, model_types in _REASONS.items() for model_type in model_types}
)

#: Model types whose results depend on padding, some of them only in sequences longer than the self-check runs: they
#: pool, hash or approximate over as many positions as there are.
EQUAL_LENGTHS: Mapping[str, Literal["equal"]] = MappingProxyType(
    dict.fromkeys(
        (
            *("convbert", "cpmant", "fnet", "funnel", "longt5", "mobilebert", "mra", "nystromformer", "reformer"),
            "yoso",
        ),
        "equal",
    )
)
