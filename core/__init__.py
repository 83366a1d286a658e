"""cenote runs pooling models: models whose answer is a vector, a score or a label.

Names are resolved on first use, so that `import cenote` loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cenote.config import EngineConfig as AsyncEngineArgs
    from cenote.config import EngineConfig as EngineArgs
    from cenote.config import PoolerConfig
    from cenote.engine import LLM, AsyncLLM
    from cenote.engine import LLM as LLMEngine
    from cenote.engine import AsyncLLM as AsyncLLMEngine
    from cenote.errors import CenoteError
    from cenote.lora import LoRARequest
    from cenote.outputs import (
        ClassificationOutput,
        ClassificationRequestOutput,
        EmbeddingOutput,
        EmbeddingRequestOutput,
        FormsRequestOutput,
        PoolingOutput,
        PoolingRequestOutput,
        RerankResult,
        ScoringOutput,
        ScoringRequestOutput,
        SparseOutput,
        SparseRequestOutput,
    )
    from cenote.registry import ModelRegistry
    from cenote.types import (
        ChatOptions,
        MessagesPrompt,
        PoolingParams,
        PromptType,
        TextPairPrompt,
        TextPrompt,
        TokensPrompt,
    )

_HOMES = {
    "AsyncLLM": "cenote.engine",
    "CenoteError": "cenote.errors",
    "ChatOptions": "cenote.types",
    "ClassificationOutput": "cenote.outputs",
    "ClassificationRequestOutput": "cenote.outputs",
    "EmbeddingOutput": "cenote.outputs",
    "EmbeddingRequestOutput": "cenote.outputs",
    "FormsRequestOutput": "cenote.outputs",
    "LLM": "cenote.engine",
    "LoRARequest": "cenote.lora",
    "MessagesPrompt": "cenote.types",
    "ModelRegistry": "cenote.registry",
    "PoolerConfig": "cenote.config",
    "PoolingOutput": "cenote.outputs",
    "PoolingParams": "cenote.types",
    "PoolingRequestOutput": "cenote.outputs",
    "PromptType": "cenote.types",
    "RerankResult": "cenote.outputs",
    "ScoringOutput": "cenote.outputs",
    "ScoringRequestOutput": "cenote.outputs",
    "SparseOutput": "cenote.outputs",
    "SparseRequestOutput": "cenote.outputs",
    "TextPairPrompt": "cenote.types",
    "TextPrompt": "cenote.types",
    "TokensPrompt": "cenote.types",
}

__all__ = [
    "LLM",
    "AsyncEngineArgs",
    "AsyncLLM",
    "AsyncLLMEngine",
    "CenoteError",
    "ChatOptions",
    "ClassificationOutput",
    "ClassificationRequestOutput",
    "EmbeddingOutput",
    "EmbeddingRequestOutput",
    "EngineArgs",
    "FormsRequestOutput",
    "LLMEngine",
    "LoRARequest",
    "MessagesPrompt",
    "ModelRegistry",
    "PoolerConfig",
    "PoolingOutput",
    "PoolingParams",
    "PoolingRequestOutput",
    "PromptType",
    "RerankResult",
    "ScoringOutput",
    "ScoringRequestOutput",
    "SparseOutput",
    "SparseRequestOutput",
    "TextPairPrompt",
    "TextPrompt",
    "TokensPrompt",
    "__version__",
]


#: Names under which vLLM's users know the same things.
_ALIASES = {
    "AsyncEngineArgs": ("cenote.config", "EngineConfig"),
    "AsyncLLMEngine": ("cenote.engine", "AsyncLLM"),
    "EngineArgs": ("cenote.config", "EngineConfig"),
    "LLMEngine": ("cenote.engine", "LLM"),
}


def __getattr__(name: str) -> Any:
    home, attribute = _ALIASES.get(name, (_HOMES.get(name), name))
    if home is None:
        raise AttributeError(f"module 'cenote' has no attribute {name!r}")
    value = getattr(import_module(home), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
