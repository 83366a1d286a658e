"""ColQwen3.5: a projection behind Qwen3.5, which mixes linear and full attention, and reads videos."""

from __future__ import annotations

from cenote.adapters.processor_settings import Setting, Settings, text
from cenote.adapters.qwen_vl import Layout, Layouts, reference_layouts, visual
from cenote_colqwen.variants import IMAGE_TOKENS, Variant, optional_count

__all__ = ["COLQWEN3_5"]

_AUGMENTATION = "<|endoftext|>" * 10
_END = "<|im_end|><|endoftext|>"


def _layouts(settings: Settings) -> Layouts:
    """Return the layouts.

    Source: `process_queries` (for every text, as mteb calls it) and `process_images` of colpali-engine 0.3.18. It has
    neither videos nor a text beside an image; both are written as Tomoro's processor for ColQwen3 does.
    """
    written = Layout(settings["query_prefix"], _AUGMENTATION)
    media = {
        kind: Layout(f"<|im_start|>user\n{visual(kind)}Describe the {kind}.", _END, gap=" ")
        for kind in ("image", "video")
    }
    return reference_layouts({"query": written, "document": written}, media)


COLQWEN3_5 = Variant(
    name="ColQwen3.5",
    native="qwen3_5",
    sizes=("embed_dim", "dims", "dim", "projection_dim", "colbert_dim"),
    projects=True,
    settings={"query_prefix": Setting(text, ""), IMAGE_TOKENS: Setting(optional_count, None)},
    layouts=_layouts,
    kinds=("image", "video"),
    contract="retrieval_attention_contract",
)
