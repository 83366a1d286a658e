"""All families by name."""

from __future__ import annotations

from collections.abc import Mapping

from cenote.testing.checkpoints.bge_m3 import BGE_M3
from cenote.testing.checkpoints.classifiers import CLASSIFIERS
from cenote.testing.checkpoints.colbert import COLBERT
from cenote.testing.checkpoints.colpali import COLPALI
from cenote.testing.checkpoints.cross_encoders import CROSS_ENCODERS
from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.dual_towers import DUAL_TOWERS
from cenote.testing.checkpoints.embedders import EMBEDDERS
from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family
from cenote.testing.checkpoints.jina import JINA
from cenote.testing.checkpoints.nemotron_vl import NEMOTRON_TEXT, NEMOTRON_VL
from cenote.testing.checkpoints.qwen_vl import QWEN_VL
from cenote.testing.checkpoints.rerankers import RERANKERS
from cenote.testing.checkpoints.rewards import REWARDS
from cenote.testing.checkpoints.sparse import SPARSE

__all__ = ["FAMILIES", "HEADED", "TOWERS", "VISUAL", "family"]

#: Names of the plain embedders, one for each kind of backbone, in a fixed order.
FAMILIES = tuple(entry.name for entry in (*ENCODERS, *DECODERS))
#: The other families: models with a head, and embedders that differ from the plain ones in their files.
_OTHERS: tuple[Family, ...] = (
    *CLASSIFIERS,
    *CROSS_ENCODERS,
    *RERANKERS,
    *REWARDS,
    *EMBEDDERS,
    *JINA,
    *SPARSE,
    *BGE_M3,
    *COLBERT,
)
HEADED = tuple(entry.name for entry in _OTHERS)
#: Models that read images as well; they are larger than the others.
VISUAL = tuple(entry.name for entry in QWEN_VL)
#: Models whose images have one size, or are cut into tiles of one size, and siblings of theirs that read texts alone.
_TOWERS: tuple[Family, ...] = (*DUAL_TOWERS, *NEMOTRON_VL, *NEMOTRON_TEXT, *COLPALI)
TOWERS = tuple(entry.name for entry in _TOWERS)
_BY_NAME: Mapping[str, Family] = {entry.name: entry for entry in (*ENCODERS, *DECODERS, *_OTHERS, *QWEN_VL, *_TOWERS)}


def family(name: str) -> Family:
    """Return the description of a family.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in _BY_NAME:
        raise KeyError(f"No family {name!r}. Known: {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]
