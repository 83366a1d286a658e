"""A compiled object is used only beside the sources that it was compiled from."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import pytest

from cenote.errors import MissingDependency
from cenote_cpu_kernels.library import check_sources, library
from cenote_cpu_kernels.sources import fingerprint

NATIVE = Path(__file__).parents[1] / "native"


def test_a_changed_renamed_or_removed_source_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "native"
    shutil.copytree(NATIVE, folder)
    first = fingerprint(folder)
    assert first == fingerprint(NATIVE)
    (folder / "layers.h").rename(folder / "layer.h")
    renamed = fingerprint(folder)
    (folder / "layer.h").write_bytes(b"// nothing")
    changed = fingerprint(folder)
    (folder / "layer.h").unlink()
    assert len({first, renamed, changed, fingerprint(folder)}) == 4


def test_an_object_of_other_sources_is_refused_before_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "native"
    check_sources(library(), folder)  # a wheel has no sources
    shutil.copytree(NATIVE, folder)
    check_sources(library(), folder)
    with (folder / "isa.h").open("a") as header:
        header.write("// changed\n")
    with pytest.raises(MissingDependency, match="which have changed since"):
        check_sources(library(), folder)
    with pytest.raises(MissingDependency, match="Install it again"):
        check_sources(ctypes.CDLL(None), folder)  # an object that cannot tell
