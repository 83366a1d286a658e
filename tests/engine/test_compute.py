import os
import subprocess
import sys
from pathlib import Path

import pytest

from cenote.engine.compute import allocator, choose_threads
from cenote.errors import InvalidRequest


@pytest.mark.parametrize(
    ("current", "usable", "environment", "threads", "reason"),
    [
        (64, 2, {}, 2, "usable cores, of 64 that torch counts"),
        (2, 4, {}, 2, "torch's own choice"),
        (64, 2, {"OMP_NUM_THREADS": "64"}, 64, "OMP_NUM_THREADS"),
        (64, 2, {"OMP_NUM_THREADS": ""}, 2, "usable cores, of 64 that torch counts"),
        (8, 2, {"MKL_NUM_THREADS": "8"}, 8, "MKL_NUM_THREADS"),
        (2, 2, {"OMP_NUM_THREADS": "1", "CENOTE_THREADS": "5"}, 5, "CENOTE_THREADS"),
    ],
)
def test_threads_are_the_users_choice_or_those_that_can_run(
    current: int, usable: int, environment: dict[str, str], threads: int, reason: str
) -> None:
    assert choose_threads(current, usable, environment) == (threads, reason)


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_a_number_of_threads_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="CENOTE_THREADS") as caught:
        choose_threads(2, 2, {"CENOTE_THREADS": text})
    assert caught.value.param == "CENOTE_THREADS"


def test_a_preloaded_allocator_is_named(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("7f00 r-xp 00000000 00:00 0 /usr/lib/libtcmalloc_minimal.so.4\n")
    assert allocator(maps, {"MALLOC_ARENA_MAX": "2"}) == "tcmalloc (preloaded)"
    maps.write_text("7f00 r-xp 00000000 00:00 0 /usr/lib/libc.so.6\n")
    assert allocator(maps, {}) == "the C library's, set by its own defaults"
    chosen = {"MALLOC_TRIM_THRESHOLD_": "1", "MALLOC_ARENA_MAX": "2", "HOME": "/"}
    assert allocator(tmp_path / "none", chosen) == "the C library's, set by MALLOC_ARENA_MAX, MALLOC_TRIM_THRESHOLD_"


def test_the_variable_sets_torchs_threads() -> None:
    program = "from cenote.engine.compute import prepare_compute; import torch; prepare_compute()"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(torch.get_num_threads())"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CENOTE_THREADS": "3"},
    )
    assert done.stdout.strip() == "3"
