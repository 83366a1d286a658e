"""The names of a new plugin: what is given, checked, and what follows from it."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from cenote.errors import InvalidRequest

__all__ = ["Names", "core_requirement", "find_names"]

#: Source: PEP 508, "Names".
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
#: Names that mean something else where the files go.
_TAKEN = frozenset({"cenote", "tests", "src"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the parts of a new plugin are called.

    Attributes:
        distribution: what pip installs.
        package: what Python imports.
        short: what users of the plugin ask for; `distribution` without `cenote-`.
        architecture: the class that checkpoints of a new model name in `config.json`.
        method: its pooling method.
        metric: what the names of its metrics begin with.
    """

    distribution: str
    package: str
    short: str
    architecture: str
    method: str
    metric: str


def find_names(name: str, package: str | None = None) -> Names:
    """Derive the names of a plugin from the one of its distribution.

    Args:
        name: name of the distribution, such as `cenote-acme`.
        package: import name; None makes it of the distribution's.

    Raises:
        InvalidRequest: a name is not allowed, or the package would hide another one.
    """
    if not _DISTRIBUTION.fullmatch(name):
        text = (
            f"{name!r} cannot be the name of a distribution. Use letters, digits, '-', '_' and '.', with a letter or "
            "digit at both ends, such as cenote-acme."
        )
        raise InvalidRequest(text, param="name")
    words = [word.lower() for word in re.split(r"[-_.]+", name)]
    package = "_".join(words) if package is None else package
    _check_package(package)
    parts = words[1:] if words[0] == "cenote" and words[1:] else words
    plain = "_".join(parts) if parts[0][0].isalpha() else f"a_{'_'.join(parts)}"
    stem = "".join(part[:1].upper() + part[1:] for part in parts)
    if not stem[0].isalpha():
        stem = f"A{stem}"
    return Names(
        distribution=name,
        package=package,
        short="-".join(parts),
        architecture=stem if stem.endswith("Model") else f"{stem}Model",
        method=plain.upper(),
        metric=plain,
    )


def core_requirement() -> str:
    """Return the requirement of a plugin that is written for the running version of cenote."""
    from cenote import __version__

    major, minor = __version__.split(".")[:2]
    return f"cenote>={major}.{minor},<{major}.{int(minor) + 1}"


def _check_package(package: str) -> None:
    if not package.isidentifier() or not package.isascii() or keyword.iskeyword(package):
        text = f"{package!r} cannot be the name of a Python package. Choose one with --package, such as cenote_acme."
        raise InvalidRequest(text, param="package")
    taken = package in _TAKEN or package in sys.stdlib_module_names
    if taken or (package in sys.modules or find_spec(package) is not None):
        text = f"The package {package!r} would hide another one of this name. Choose one with --package."
        raise InvalidRequest(text, param="package")
