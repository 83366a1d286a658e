"""Decide at load how a model may run: run it packed, padded and alone, and compare.

Some families take the attention function and leak between sequences all the same (relative position bias,
convolutions), without an error, and some let padding change their results. Only the numbers tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.attention import PACKED_ATTENTION, register_packed_attention
from cenote.adapters.backbone import Backbone, PackedBackbone, PaddedBackbone, accepts
from cenote.adapters.families import Family
from cenote.adapters.mixers import install_mixers, remove_mixers
from cenote.adapters.probes import Probe, build_probe, padding_id, position_rows, relative_difference, tolerance
from cenote.adapters.regimes import Wrap, regime_of
from cenote.checkpoints.quiet import quiet_transformers
from cenote.errors import CheckpointError, ShapeError
from cenote.kernels import raise_if_forced

__all__ = ["choose_execution"]

_log = logging.getLogger(__name__)

#: The sequence of the probe that is a single token, which a few models cannot run.
_SINGLE = 2


@dataclass(frozen=True, slots=True)
class _Check:
    """A model, and what it must give.

    Attributes:
        model: transformers base model.
        wrap: what its computation needs where it depends on length.
        probe: sequences to run.
        expected: hidden states of each sequence run alone by the model's own attention, [T, hidden].
    """

    model: Any
    wrap: Wrap
    probe: Probe
    expected: Tensor

    @property
    def allowed(self) -> float:
        """Return the largest difference that is rounding."""
        return tolerance(self.model.dtype)

    def difference(self, backbone: Backbone) -> float:
        """Return the largest difference of the probe as one batch, relative to the largest hidden value."""
        return _relative(self.probe.together(backbone), self.expected)


def choose_execution(
    model: Any, family: Family, wanted: str, max_tokens: int, *, expands: bool = False
) -> tuple[Backbone, str, Probe]:
    """Return the way to run a model, the reason in words, and the sequences that it was judged by.

    Args:
        model: transformers base model that has not run yet.
        family: what is known of it.
        wanted: `auto`, `packed` (raise where it is not exact) or `padded`.
        max_tokens: longest prompt.
        expands: prompts may end in tokens that are computed and not attended to; those are compared as well.

    Raises:
        CheckpointError: packed was forced and is not exact, the model cannot be run, its weights give NaN, or no way of
            running several sequences, nor one twice, gives equal results.
    """
    check = _run_alone(model, max_tokens, expands)
    reason = "padded execution was asked for"
    if wanted == "auto" and not family.packs:
        reason = f"{family.title} does not run packed: {family.reason}"
    elif wanted != "padded":
        tried = _switch_to_packed(check, family)
        if not isinstance(tried, str):
            return tried, "packed and alone gave equal results at load", check.probe
        reason = tried
    if wanted == "packed":
        raise CheckpointError(f"Packed execution was asked for, and is not exact for this model: {reason}.")
    if wanted == "auto":
        _log.warning("padded execution: %s", reason)
    backbone, note = _padded(check, family)
    return backbone, f"{reason}{note}", check.probe


def _run_alone(model: Any, max_tokens: int, expands: bool) -> _Check:
    """Run the probe one sequence after the other, the first one twice.

    Raises:
        CheckpointError: the model cannot be run this way, computes NaN, or gives something else the second time.
    """
    wrap = regime_of(model)
    backbone = wrap(PaddedBackbone(model, padding_id(model.config)))
    probe = build_probe(model, max_tokens, expands=expands)
    try:
        with quiet_transformers():  # it tells of faster libraries for layers that are replaced here
            probe = _without_single(backbone, probe)
            parts = [probe.alone(backbone, index) for index in range(len(probe.sequences))]
            again = probe.alone(backbone, 0)
    except Exception as exc:
        # A foreign model may raise anything; it means that the generic adapter does not know how to call it.
        raise CheckpointError(_cannot(model, exc)) from exc
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise CheckpointError("The model computes NaN or infinity for ordinary tokens; its weights are broken.")
    if _relative(again, parts[0]) > tolerance(model.dtype):
        raise CheckpointError(
            f"{type(model).__name__} gives something else when the same tokens are run again: it draws random numbers, "
            "or keeps a state. Fix its random seed in config.json (Reformer: hash_seed), or install a plugin for it."
        )
    return _Check(model, wrap, probe, torch.cat(parts))


def _without_single(backbone: Backbone, probe: Probe) -> Probe:
    """Return the probe, without its single token where only that cannot be run (models that halve a sequence)."""
    try:
        probe.alone(backbone, _SINGLE)
    except Exception as exc:
        _log.info("a single token cannot be run: %s: %s", type(exc).__name__, exc)
        return probe.only([index for index in range(len(probe.sequences)) if index != _SINGLE])
    return probe


def _cannot(model: Any, exc: Exception) -> str:
    name, what = type(model).__name__, f"{type(exc).__name__}: {exc}"
    if getattr(model.config, "is_encoder_decoder", False):
        return (
            f"{name} is made of an encoder and a decoder, wants a second text for the decoder, and transformers has no "
            f"class for the encoder alone ({what}). Install a plugin for this model."
        )
    return f"{name} cannot be run by the generic adapter ({what}). Install a plugin for this model."


def _relative(found: Tensor, expected: Tensor) -> float:
    return relative_difference(found, expected)


def _switch_to_packed(check: _Check, family: Family) -> Backbone | str:
    """Return a verified packed backbone of a model changed to run so, or why there is none; then it is as it was."""
    native = check.model.config._attn_implementation
    register_packed_attention()
    try:
        originals = install_mixers(check.model, family.mixers)
    except ShapeError as exc:
        return str(exc)
    check.model.set_attn_implementation(PACKED_ATTENTION)
    tried = _try_packed(check, family)
    if isinstance(tried, str):
        check.model.set_attn_implementation(native)
        remove_mixers(originals)
    return tried


def _try_packed(check: _Check, family: Family) -> Backbone | str:
    """Return a verified packed backbone, or why there is none.

    Position ids count from 0 or after the padding id, and layers that do not say whether they look ahead may do so;
    the table's answer is tried first.
    """
    if not accepts(check.model, "position_ids"):
        return "the model takes no position ids"
    after_padding = padding_id(check.model.config) + 1
    offsets = (after_padding, 0) if family.positions == "after_padding" else (0, after_padding)
    differences: list[float] = []
    for offset, causal in product(offsets, (True, False)):
        backbone = check.wrap(PackedBackbone(check.model, offset, causal))
        try:
            differences.append(check.difference(backbone))
        except Exception as exc:
            raise_if_forced(exc)
            # Any failure inside a foreign model means only that it cannot run this way; the reason is kept and logged.
            if not differences:
                return f"it raised {type(exc).__name__}: {exc}"
            continue
        if differences[-1] <= check.allowed:
            return _with_long_rows(check, offset, causal)
    return f"packed and alone differ by {min(differences):.1e} of the largest value (allowed {check.allowed:.0e})"


def _with_long_rows(check: _Check, offset: int, causal: bool) -> Backbone | str:
    """Return a packed backbone that was run with more tokens than the model has positions, or why there is none.

    Some models with a table of positions compare its length with that of the row, which holds many prompts here, and
    raise (CLIP and its kin); their batches run in rows that they take.
    """
    table = position_rows(check.model)
    unlimited = check.wrap(PackedBackbone(check.model, offset, causal))
    if not table:
        return unlimited
    times = table // len(check.expected) + 1
    probe, expected = check.probe.repeated(times), check.expected.repeat(times, 1)
    found = ""
    for backbone in (unlimited, check.wrap(PackedBackbone(check.model, offset, causal, longest_row=table))):
        try:
            difference = _relative(probe.together(backbone), expected)
        except Exception as exc:
            raise_if_forced(exc)
            # As above: it means only that this model does not take such rows.
            found = f"a batch of more than {table} tokens raised {type(exc).__name__}: {exc}"
            continue
        if difference <= check.allowed:
            return backbone
        found = f"in batches of more than {table} tokens, packed and alone differ by {difference:.1e}"
    return found


def _padded(check: _Check, family: Family) -> tuple[Backbone, str]:
    """Return the way of running rows beside each other that is exact, with as many of them as is exact."""
    for tried, chosen, note in _ways(check, family):
        try:
            difference = check.difference(check.wrap(tried))
        except Exception as exc:
            # As above: it means only that this model cannot run this way.
            _log.info("padded execution failed: %s: %s", type(exc).__name__, exc)
            continue
        if difference <= check.allowed:
            if note:
                _log.warning("slow execution%s", note)
            return check.wrap(chosen), note
    raise CheckpointError(
        f"{type(check.model).__name__} gives other results each time it runs, even for one sequence at a time. "
        "Install a plugin for this model."
    )


def _ways(check: _Check, family: Family) -> Iterator[tuple[Backbone, Backbone, str]]:
    """Yield what to try, what to use if it is exact, and what that means for people."""
    model, pad = check.model, padding_id(check.model.config)
    if family.rows == "any":
        yield PaddedBackbone(model, pad, waste=1.0), PaddedBackbone(model, pad), ""
    if family.rows != "single":
        equal = PaddedBackbone(model, pad, waste=0.0)
        yield equal, equal, "; padding changes its results, so that only equal lengths run together"
    single = PaddedBackbone(model, pad, most=1)
    yield single, single, "; neighbours change its results, so that every sequence runs alone"
