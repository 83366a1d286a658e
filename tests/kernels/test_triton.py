"""The kernels for NVIDIA GPUs: computed on the CPU by Triton's interpreter, and compiled for chips that are not here.

Both in processes of their own, as a process asks for the interpreter before it imports a kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: Plugins of pytest that take seconds to import.
UNUSED = ("cacheprovider", "hypothesispytest", "schemathesis", "xdist")


def run(*arguments: str, **variables: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_they_equal_the_reference_and_the_engine_calls_them_where_tensors_are_on_a_gpu() -> None:
    files = [f"interpreted/{name}.py" for name in ("backends", "refusals", "maxsim", "engine")]
    unused = [word for name in UNUSED for word in ("-p", f"no:{name}")]
    assert " passed" in run("-m", "pytest", "-q", *unused, *files, TRITON_INTERPRET="1")


def test_they_compile_for_an_a100_and_an_h100(tmp_path: Path) -> None:
    lines = run("compiled.py", "80", "90", TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    for line, chip in zip(lines, ("sm_80", "sm_90"), strict=True):
        assert line.startswith(f"{chip} {{'varlen_attention': [")
