"""Load the vision tower and the language model of a Qwen-VL checkpoint, and decide how they run."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cenote.adapters.base import LoadOptions
from cenote.adapters.dtypes import resolve_dtype
from cenote.adapters.linears import judge_quantised
from cenote.adapters.probes import tolerance, vocabulary
from cenote.adapters.qwen_vl.pixels import pixel_table
from cenote.adapters.qwen_vl.placeholders import VisualTokens
from cenote.adapters.qwen_vl.probe import VisualProbe, build_visual_probe
from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.adapters.qwen_vl.stack import VisualStack
from cenote.adapters.qwen_vl.vision import VisionTower, prepare_tower
from cenote.adapters.stack import load_stack
from cenote.checkpoints import Checkpoint, load_backbone
from cenote.checkpoints.quiet import quiet_transformers
from cenote.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

__all__ = ["IGNORED", "RENAMES", "load_visual_stack"]

_log = logging.getLogger(__name__)

#: From the names that checkpoints of Qwen-VL use to those of transformers' base model. Each stands for a whole prefix,
#: so that no name is changed twice.
RENAMES: Mapping[str, str] = {
    r"^(?:base_model\.model\.)?(?:vlm\.)?(?:model\.)?visual\.": "visual.",
    r"^(?:base_model\.model\.)?(?:vlm\.)?(?:model\.)?language_model\.(?:model\.)?": "language_model.",
}
#: Stored tensors that no hidden state depends on: the output layer, and the layers that predict further tokens.
IGNORED: tuple[str, ...] = ("lm_head.", "vlm.lm_head.", "mtp.", "model.mtp.")
#: Where the language model stands in the models that people train adapters of.
_LORA_HEADS = ("vlm.model.language_model.", "model.language_model.", "language_model.")


def load_visual_stack(
    checkpoint: Checkpoint,
    options: LoadOptions,
    *,
    config: PreTrainedConfig,
    rules: ImageRules,
    heads: Sequence[str] = (),
    renames: Mapping[str, str] = RENAMES,
    ignored: Sequence[str] = IGNORED,
    bidirectional: bool = False,
    skip_final_norm: bool = False,
) -> VisualStack:
    """Load `Qwen3VLModel` or `Qwen3_5Model`, whichever the config is for, and let it run packed where that is exact.

    A few prompts with images are run by transformers' own forward first, alone. What runs afterwards must give the
    same: together, or else one prompt at a time.

    Args:
        checkpoint: the opened checkpoint.
        options: what the user asked for.
        config: `Qwen3VLConfig` or `Qwen3_5Config`.
        rules: of its images.
        heads: prefixes of stored tensors that the adapter reads itself.
        renames: as `load_backbone` takes it, for other names of the two parts.
        ignored: prefixes of stored tensors that nothing reads.
        bidirectional: tokens see later ones, whatever the config says.
        skip_final_norm: give the hidden states before the last normalisation, as the model's reference does.

    Raises:
        CheckpointError: weights or files are missing, unknown or do not fit, or no way of running is exact.
        InvalidRequest: an option does not fit the checkpoint.
    """
    _check_names(checkpoint, renames)
    whole: Any = load_backbone(
        checkpoint,
        config,
        dtype=resolve_dtype(options.dtype, checkpoint, options.device).value,
        device=options.device,
        attn_implementation=None,
        key_mapping=renames,
        allowed_missing=(),
        allowed_unused=(*ignored, *heads),
    )
    if not isinstance(getattr(whole, "visual", None), nn.Module) or not hasattr(whole, "language_model"):
        raise CheckpointError(f"{type(whole).__name__} has no vision tower and language model of the Qwen-VL kind.")
    if bidirectional:
        _look_ahead(whole.language_model)
    if skip_final_norm:
        whole.language_model.norm = nn.Identity()
    stack = _verified(checkpoint, options, whole, rules)
    if bidirectional and stack.stack.attention != "bidirectional":
        raise CheckpointError(f"{type(whole.language_model).__name__} does not look ahead, as this model must.")
    return stack


def _verified(checkpoint: Checkpoint, options: LoadOptions, whole: Any, rules: ImageRules) -> VisualStack:
    """Choose how both parts run, so that prompts with images give what the model itself computes.

    Raises:
        CheckpointError: no way of running is exact.
        InvalidRequest: quantisation was asked for, and moves the hidden states too far.
    """
    tower = VisionTower(whole.visual, pixel_table(rules, options.device))
    _check_rules(rules, tower)
    config = whole.config
    tokens = VisualTokens(image=config.image_token_id, video=config.video_token_id, merge_size=rules.merge_size)
    _check_known(checkpoint, tokens, vocabulary(whole.language_model))
    probe = build_visual_probe(whole, tokens, rules)
    with quiet_transformers():  # it tells of faster libraries for layers that are replaced here
        expected = _reference(probe, whole, tower)
    how = prepare_tower(tower, probe.images, options.execution)
    stack = load_stack(checkpoint, options, whole=whole.language_model, lora_heads=_LORA_HEADS)
    batch = probe.batch(options.device)
    for together in (True, False):
        found = VisualStack(
            stack=stack, tower=tower, tokens=tokens, rules=rules, together=together, tower_execution=how
        )
        with torch.inference_mode():
            hidden = found.forward(batch).float()
        if options.quantization is not None:
            judge_quantised(options.quantization, hidden, expected)
            return found
        difference = _difference(hidden, expected, whole.dtype)
        if difference <= tolerance(whole.dtype):
            return found
        if together:
            _log.warning("prompts with images run one by one: together they are off by %.1e", difference)
    raise CheckpointError(
        f"Prompts with images differ by {difference:.1e} (relative) from what {type(whole).__name__} of the "
        "installed transformers computes, even one by one. Try execution='padded' (--execution padded)."
    )


def _check_known(checkpoint: Checkpoint, tokens: VisualTokens, known: int) -> None:
    """Raise where placeholders have ids that the language model does not know.

    Raises:
        CheckpointError: they have.
    """
    for kind in ("image", "video"):
        key, token = f"{kind}_token_id", tokens.of(kind)
        if not 0 <= token < known:
            stored = checkpoint.config_value(key) is not None
            found = f"has {key} {token}" if stored else f"lacks {key}, for which transformers takes {token}"
            raise CheckpointError(
                f"config.json {found}, but the language model knows {known} tokens. Set it to the id that the "
                f"tokenizer gives to the placeholder of {'an image' if kind == 'image' else 'a video'}."
            )


def _check_names(checkpoint: Checkpoint, renames: Mapping[str, str]) -> None:
    """Raise where two stored tensors would get the same name, so that one of them would be lost.

    Raises:
        CheckpointError: they would.
    """
    owners: dict[str, str] = {}
    for name in sorted(checkpoint.tensor_names()):
        renamed = name
        for pattern, target in renames.items():
            renamed = re.sub(pattern, target, renamed, count=1)
        if renamed in owners:
            text = f"{checkpoint.name!r} stores {owners[renamed]} and {name}, which are both {renamed} of the model"
            raise CheckpointError(f"{text}. Keep one of them.")
        owners[renamed] = name


def _difference(found: Tensor, expected: Tensor, dtype: torch.dtype) -> float:
    """Return how far hidden states are apart: the largest difference in float32, else the mean square one, relative.

    With 8 bits of precision single values of a deep model move by a tenth whatever the order of additions; a row that
    is wrong still moves the mean of the few rows of the probe beyond the bound.
    """
    apart = found - expected
    if dtype == torch.float32:
        return float(apart.abs().max() / expected.abs().max())
    return float(apart.norm() / expected.norm())


def _reference(probe: VisualProbe, whole: Any, tower: VisionTower) -> Tensor:
    """Return what the model itself computes for the probe.

    Raises:
        CheckpointError: it cannot be run, or computes NaN.
    """
    try:
        expected = probe.reference(whole, tower.table)
    except Exception as exc:  # sizes in the config that do not fit each other fail anywhere inside
        text = f"{type(whole).__name__} cannot run a prompt with an image ({type(exc).__name__}: {exc})"
        raise CheckpointError(f"{text}. config.json does not fit the weights.") from exc
    if not bool(torch.isfinite(expected).all()):
        raise CheckpointError("The model computes NaN or infinity for a prompt with an image; its weights are broken.")
    return expected


def _look_ahead(model: Any) -> None:
    """Let every token see all others, in transformers' attention and in the packed one."""
    model.config.is_causal = False  # transformers makes its masks by this
    for module in model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False


def _check_rules(rules: ImageRules, tower: VisionTower) -> None:
    """Raise where images would be cut into other patches than the tower reads.

    Raises:
        CheckpointError: they would.
    """
    kernel = tuple(tower.model.patch_embed.proj.weight.shape[1:])
    wanted = (3, rules.temporal_patch_size, rules.patch_size, rules.patch_size)
    if kernel != wanted or tower.merge_size != rules.merge_size:
        raise CheckpointError(
            f"The vision tower reads patches of {kernel} and merges {tower.merge_size} x {tower.merge_size}; the files "
            f"of the image processor make patches of {wanted}, {rules.merge_size} x {rules.merge_size} per token."
        )
