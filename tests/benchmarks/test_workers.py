"""Workers: the protocol, and the process around it."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from harness.exports import existing, exported
from harness.job import Job, Telling
from harness.process import Worker, WorkerError, thread_settings
from harness.workers import echo
from harness.workers.main import serve


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(["a", "bcd"]))
    return path


@pytest.fixture
def worker():
    with Worker(sys.executable, "echo", threads=1) as worker:
        yield worker


def state_of(stat: Path) -> str:
    return stat.read_text().rpartition(")")[2].split()[0]


def waited_for(condition) -> bool:
    """Tell whether a condition holds within a few seconds."""
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_worker_loads_runs_and_saves_what_its_library_computes(worker, texts, tmp_path):
    loaded = worker.load(Job("embed", str(tmp_path)))
    assert loaded["versions"] == {"numpy": np.__version__}
    assert loaded["told"] == {}
    answer = worker.run(loaded["handle"], texts, 4, save=tmp_path / "found.npy", repeat=3)
    assert len(answer["seconds"]) == 3
    assert answer["peak_memory"] > 1_000_000
    assert np.load(tmp_path / "found.npy").tolist() == [[1.0], [3.0]]


def test_a_library_that_fails_leaves_the_worker_usable(worker, texts, tmp_path):
    with pytest.raises(WorkerError, match="ValueError: this setting is broken"):
        worker.load(Job("embed", str(tmp_path), "broken"))
    assert worker.run(worker.load(Job("embed", str(tmp_path)))["handle"], texts, 1)["seconds"]


def test_a_worker_that_is_not_asked_is_stopped(worker, tmp_path):
    worker.load(Job("embed", str(tmp_path)))
    stat = Path(f"/proc/{worker._process.pid}/stat")
    assert waited_for(lambda: state_of(stat) == "T")


def test_what_a_library_started_is_stopped_with_it_and_ends_with_it(tmp_path):
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(["spawn"]))
    with Worker(sys.executable, "echo", threads=1) as worker:
        worker.run(worker.load(Job("embed", str(tmp_path)))["handle"], texts, 1, save=tmp_path / "child.npy")
        stat = Path(f"/proc/{int(np.load(tmp_path / 'child.npy')[0, 0])}/stat")
        assert waited_for(lambda: state_of(stat) == "T")
    assert waited_for(lambda: not stat.exists() or state_of(stat) == "Z")


def test_a_limit_ends_repetitions_and_inputs_off_the_clock_are_not_counted(worker, texts, tmp_path):
    handle = worker.load(Job("embed", str(tmp_path)))["handle"]
    assert len(worker.run(handle, texts, 1, repeat=5, warm=texts)["seconds"]) == 5
    assert len(worker.run(handle, texts, 1, repeat=5, limit=1e-9)["seconds"]) == 1


def test_a_worker_that_ends_is_reported_with_its_last_words():
    with (
        Worker(sys.executable, "no_such_library", threads=1) as worker,
        pytest.raises(WorkerError, match="ModuleNotFoundError"),
    ):
        worker.load(Job("embed", ""))
    with Worker(sys.executable, "echo", threads=1, variables={"PYTHONHOME": os.devnull}) as worker:
        with pytest.raises(WorkerError, match="the process ended with 1: "):
            worker.load(Job("embed", ""))


def test_answers_are_one_line_each_and_prints_of_the_library_are_not_among_them(texts, tmp_path):
    asked = [{"do": "load", "job": {"work": "embed", "folder": str(tmp_path)}}, {"do": "sing"}]
    out = io.StringIO()
    serve("echo", [json.dumps(line) for line in asked], out)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["handle"] == 0
    assert second == {"error": "ValueError: A worker can load and run; it was asked for 'sing'."}


def test_a_runner_may_tell_how_it_computes(monkeypatch, tmp_path):
    monkeypatch.setattr(echo, "load", lambda job: Telling(lambda texts, batch: [], {"linear": "native"}))
    out = io.StringIO()
    serve("echo", [json.dumps({"do": "load", "job": {"work": "embed", "folder": str(tmp_path)}})], out)
    assert json.loads(out.getvalue())["told"] == {"linear": "native"}


def test_the_share_of_others_is_not_told_of_what_is_too_short_for_the_clock(worker, texts, tmp_path):
    handle = worker.load(Job("embed", str(tmp_path)))["handle"]
    assert worker.run(handle, texts, 1)["others"] == 0


def test_every_library_is_held_to_the_same_threads():
    settings = thread_settings(3)
    assert {settings[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")} == {"3"}


def test_an_export_is_made_once_and_not_kept_where_it_fails(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    job = Job("embed", str(model), cache=str(tmp_path))

    def fail(job: Job, folder: Path) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        exported(job, "kind", fail)
    with pytest.raises(FileNotFoundError, match="made by the kind peer"):
        existing(job, "kind")
    made = exported(job, "kind", lambda job, folder: (folder / "graph").touch() or None)
    assert exported(job, "kind", fail) == existing(job, "kind") == made
    assert (Path(made) / "graph").is_file()
