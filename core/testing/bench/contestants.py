"""The libraries that embedding is compared with. Each import happens when its contestant is built."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest, MissingDependency
from cenote.testing.bench.measure import Contestant

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cenote.engine import LLM

__all__ = ["cenote_contestant", "sentence_transformers_contestants", "transformers_contestant"]


def cenote_contestant(llm: LLM, max_tokens: int) -> Contestant:
    """Build the contestant that embeds through `LLM.embed`, cutting texts at `max_tokens`."""
    import numpy as np

    from cenote import __version__

    cut = {"truncate_prompt_tokens": min(max_tokens, llm.limits.max_tokens)}

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        outputs = llm.embed(list(texts), use_tqdm=False, tokenization_kwargs=cut)
        return np.array([output.outputs.embedding for output in outputs], dtype=np.float32)

    return Contestant("cenote", __version__, embed)


def sentence_transformers_contestants(
    model: str, max_tokens: int, batch_sizes: Sequence[int], *, device: str = "cpu", dtype: str = "float32"
) -> list[Contestant]:
    """Build one contestant per batch size, all on one loaded model. The library sorts texts by length itself.

    Raises:
        MissingDependency: sentence-transformers is not installed.
    """
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingDependency(
            "A comparison with sentence-transformers was asked for; it is not installed. "
            "Install it: pip install sentence-transformers."
        ) from error
    encoder = sentence_transformers.SentenceTransformer(model, device=device, model_kwargs={"dtype": dtype})
    import numpy as np

    encoder.max_seq_length = min(max_tokens, encoder.max_seq_length or max_tokens)

    def contestant(batch_size: int) -> Contestant:
        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            vectors: NDArray[np.float32] = encoder.encode(
                list(texts), batch_size=batch_size, show_progress_bar=False, convert_to_numpy=True
            )
            return vectors.astype(np.float32, copy=False)

        name = f"sentence-transformers (batch {batch_size})"
        return Contestant(name, sentence_transformers.__version__, embed)

    return [contestant(size) for size in batch_sizes]


def transformers_contestant(
    folder: Path, max_tokens: int, batch_size: int = 32, *, device: str = "cpu", dtype: str = "float32"
) -> Contestant:
    """Build the contestant that pads unsorted batches, as scripts on model cards do: mean or first token, normalised.

    Args:
        folder: a Sentence-Transformers checkpoint.
        max_tokens: longer texts are cut.
        batch_size: texts of one forward.
        device: torch device string.
        dtype: of the weights.

    Raises:
        InvalidRequest: the checkpoint pools in another way.
    """
    import torch
    import transformers

    pooling = _pooling_of(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=dtype).eval().to(device)

    @torch.inference_mode()
    def forward(texts: list[str]) -> torch.Tensor:
        batch = tokenizer(texts, padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
        batch = batch.to(device)
        hidden = model(**batch).last_hidden_state  # [n, longest, hidden]
        if pooling == "cls":
            pooled = hidden[:, 0]
        else:
            mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled.float(), dim=-1).cpu()

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        parts = [forward(list(texts[at : at + batch_size])) for at in range(0, len(texts), batch_size)]
        vectors: NDArray[np.float32] = torch.cat(parts).numpy()
        return vectors

    return Contestant(f"transformers (padded, batch {batch_size})", transformers.__version__, embed)


def _pooling_of(folder: Path) -> str:
    """Return `mean` or `cls`, from the checkpoint's pooling file."""
    path = folder / "1_Pooling" / "config.json"
    stored: Mapping[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    named = stored.get("pooling_mode") or [
        key for key, value in stored.items() if key.startswith("pooling_mode_") and value
    ]
    for known, name in (("mean", "pooling_mode_mean_tokens"), ("cls", "pooling_mode_cls_token")):
        if named in (known, [name]):
            return known
    raise InvalidRequest(
        f"Plain transformers was asked for as a comparison; the model's pooling is {named!r}. "
        "Only mean and cls pooling are compared: leave transformers out."
    )
