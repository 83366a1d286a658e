"""Installed versions and environment variables, as `cenote env` shows them."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping

__all__ = ["environment_facts", "version_facts"]

_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "huggingface-hub",
    "numpy",
    "pydantic",
    "fastapi",
    "uvicorn",
    "triton",
    "cenote-cpu-kernels",
    "sentence-transformers",
)
_RELEVANT = re.compile(
    r"(CENOTE|HF|HUGGINGFACE|TRANSFORMERS|TOKENIZERS|TORCH|PYTORCH|TRITON|OMP|MKL|KMP|GOMP|CUDA|NVIDIA|ONEDNN|DNNL"
    r"|MALLOC)_\w+|LD_PRELOAD|GLIBC_TUNABLES"
)
_SECRET = re.compile(r"TOKEN(?!IZ)|KEY|SECRET|PASS|CREDENTIAL|AUTH", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")


def version_facts() -> dict[str, str]:
    """Return the versions of Python, cenote and its dependencies, read from metadata alone."""
    from importlib_metadata import PackageNotFoundError, version

    from cenote import __version__

    facts = {"python": platform.python_version(), "cenote": __version__}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def environment_facts(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that bear on cenote; what may be secret is replaced by a note that it is set.

    Args:
        environment: where to read; None is the process environment.
    """
    variables = os.environ if environment is None else environment
    return {name: _shown(name, variables[name]) for name in sorted(variables) if _RELEVANT.fullmatch(name)}


def _shown(name: str, value: str) -> str:
    if _SECRET.search(name):
        return "(set, not shown)" if value else "(empty)"
    return _USER_INFO.sub("(not shown)@", value)
