"""Signs of vectors, from the bits that `output_dtype` packs.

Importing this module loads neither torch nor numpy.
"""

from __future__ import annotations

from typing import Any

from cenote.errors import WrongType

__all__ = ["unpack_bits"]


def unpack_bits(vectors: Any) -> Any:
    """Return the components 1 and -1 of vectors of `output_dtype="ubinary"` or `"binary"`, to be scored by `maxsim`.

    Args:
        vectors: [..., dim / 8] of numpy or torch, uint8 (`ubinary`) or int8 (`binary`, which is the same minus 128).

    Returns:
        [..., dim] int8, numpy or torch as `vectors`.

    Raises:
        WrongType: it is no array of uint8 or int8.

    Source: the layout is that of sentence-transformers 6.2, util/quantization.py: the first component is the highest
    bit of the first byte, and 1 where it is not negative.
    """
    import numpy as np
    import torch

    if not isinstance(vectors, np.ndarray | torch.Tensor):
        text = f"vectors must be a numpy array or a torch tensor, not {type(vectors).__name__}."
        raise WrongType(text, param="vectors")
    packed = torch.as_tensor(vectors)
    if packed.dtype not in (torch.uint8, torch.int8):
        text = f"vectors hold {packed.dtype}; packed bits are uint8 or int8.".replace("torch.", "")
        raise WrongType(text, param="vectors")
    whole = packed.short() + (128 if packed.dtype == torch.int8 else 0)
    places = torch.arange(7, -1, -1, dtype=torch.int16, device=packed.device)
    signs = ((whole[..., None] >> places & 1) * 2 - 1).to(torch.int8).flatten(-2)
    return signs if isinstance(vectors, torch.Tensor) else signs.numpy()
