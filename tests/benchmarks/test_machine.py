"""The kind of a processor, which is the level that our kernels have on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness.machine import capability, lesser

from cenote.errors import MissingDependency

ISA = Path(__file__).resolve().parents[2] / "plugins" / "cpu_kernels" / "native" / "isa.cpp"
#: Level in the sources of the kernels, and the kind of that name.
LEVELS = {"kNone": "other", "kAvx2": "avx2", "kAvx512": "avx512", "kVnni": "avx512_vnni", "kBf16Vnni": "avx512_bf16"}
#: Names of instructions in C, where Linux has others.
FLAGS = {"avx512vnni": "avx512_vnni", "avx512bf16": "avx512_bf16"}
AMX = {"amx_tile", "amx_bf16", "amx_int8"}


def steps() -> list[tuple[set[str], str]]:
    """Return, from the kernels' sources, the flags that are asked for in turn, and the kind where one is missing."""
    asked = re.findall(r"if \((!__builtin[^;]+?)\)\s*return (k\w+);", ISA.read_text())
    named = [(re.findall(r'supports\("(\w+)"\)', condition), LEVELS[level]) for condition, level in asked]
    return [*(({FLAGS.get(name, name) for name in names}, kind) for names, kind in named), (AMX, "avx512_bf16")]


def test_a_processor_without_one_flag_has_the_level_that_the_kernels_have_without_it() -> None:
    everything = set().union(*(flags for flags, _ in steps()))
    assert len(everything) == 11
    assert capability(f"flags : {' '.join(everything)}") == "amx"
    for flags, kind in steps():
        for flag in flags:
            assert capability(f"flags : {' '.join(everything - {flag})}") == kind, flag


def test_the_kind_of_this_machine_is_the_level_of_its_kernels() -> None:
    kernels = pytest.importorskip("cenote_cpu_kernels.library")
    try:
        level = kernels.LEVELS[kernels.library().cenote_level()]
    except MissingDependency:
        pytest.skip("no compiled kernels")
    assert capability() == {"none": "other"}.get(level, level)


def test_other_processors_have_no_kind() -> None:
    assert capability("Features : asimd") == "other"
    assert capability("flags\t\t: fpu avx512f amx_tile") == "other"
    assert lesser("avx512_vnni") == ["avx512_vnni", "avx512", "avx2"]
