"""What a process computes that was forked from one that computed with several threads: once it waited for ever."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Exits 0 where a forked child gives what its parent gave, computing with one thread.
PROGRAM = """
import os, numpy, torch
from cenote.engine.compute import prepare_compute
from cenote.scoring import maxsim

def compute():
    {call}

torch.set_num_threads(2)
draw = numpy.random.default_rng(0)
query = draw.normal(size=(32, 128)).astype("float32")
documents = [draw.normal(size=(200, 128)).astype("float32") for _ in range(100)]
here = compute()
child = os.fork()
if not child:
    os._exit(0 if numpy.allclose(compute(), here, atol=1e-3) and torch.get_num_threads() == 1 else 3)
assert torch.get_num_threads() == 2
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
MODEL = "prepare_compute(); rows = torch.ones(2000, 500); return (rows @ rows.T).numpy()"


@pytest.mark.parametrize(
    "call",
    [
        "return maxsim(query, documents)",
        "return maxsim([query, query], documents)",
        MODEL,
        f"maxsim(query, documents); {MODEL}",
    ],
)
def test_a_forked_process_computes_with_one_thread_instead_of_waiting_for_those_of_its_parent(call: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "CENOTE_KERNELS")
    }
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(call=call)],
        env={**environment, "CENOTE_THREADS": "2"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, told = program.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, 9)  # the child that waits is in the group
        raise
    assert program.returncode == 0, told
    assert "computing with one thread" in told
