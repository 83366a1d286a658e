"""Contests: who takes part, what is compared, and what ends a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import peers as installer
import pytest
from harness.agreement import agreement, within
from harness.arena import Arena
from harness.contest import compete, spread_of
from harness.peers import CENOTE, PEERS, Peer, interpreter
from harness.process import WorkerError
from harness.quality import ranking_agreement, vector_scores
from harness.workload import Workload, operations

_ECHO = Peer("echo", "Echo", "echo", "", (), {"embed": ("float32", "broken")}, batches=(2, 4))


@pytest.fixture
def arena(tmp_path):
    with Arena(tmp_path, 1, [_ECHO, PEERS[0]]).open() as arena:
        yield arena


@pytest.fixture
def workload(tmp_path):
    return Workload(tmp_path, ["a", "bcd"])


def entries_of(arena, workload):
    entered = [arena._load(_ECHO, "embed", workload.folder, setting, 8) for setting in ("float32", "broken")]
    return [entry for entry in entered if entry is not None]


def test_a_contest_takes_the_best_batch_and_keeps_rounds_and_agreement(arena, workload):
    rows = compete(arena, entries_of(arena, workload), workload, "embed", np.array([[1.0], [3.0]]), rounds=2)
    assert [row["title"] for row in rows] == ["Echo"]
    assert rows[0]["batch"] in (2, 4)
    assert len(rows[0]["seconds"]) == 8, "an echo is fast: four passes in each of two rounds"
    assert 0 <= rows[0]["others"] <= 1
    assert rows[0]["cosine_min"] == pytest.approx(1)
    assert rows[0]["within"]


def test_a_setting_that_fails_is_listed_with_its_reason(arena, workload):
    entries_of(arena, workload)
    assert [failure["setting"] for failure in arena.failures] == ["broken"]
    assert "this setting is broken" in arena.failures[0]["reason"]


def test_a_reason_names_no_folder_of_this_machine(arena, tmp_path, benchmarks):
    error = WorkerError(f"{tmp_path}/exports/x is not there, nor {benchmarks}/y, nor {Path.home()}/.cache/z")
    arena.failed(_ECHO, "float32", error)
    assert arena.failures[-1]["reason"] == ".bench/exports/x is not there, nor ./benchmarks/y, nor ~/.cache/z"


def test_maxsim_takes_all_documents_at_once_whatever_a_librarys_batches_are():
    (pylate,) = (peer for peer in PEERS if peer.name == "pylate")
    assert pylate.sizes("maxsim") == (0,)
    assert pylate.sizes("encode") == pylate.batches


def test_a_peer_that_is_not_installed_is_missing_and_has_a_command(arena, tmp_path):
    assert [peer.name for peer in arena.missing()] == ["transformers"]
    with pytest.raises(WorkerError, match="transformers is not installed"):
        arena.fresh(PEERS[0])
    assert "not installed: python benchmarks/peers.py install openvino" in "\n".join(installer.listed(tmp_path))


def test_an_environment_counts_once_its_installation_is_complete(tmp_path):
    folder = tmp_path / PEERS[0].environment
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    assert interpreter(PEERS[0], tmp_path) is None
    (folder / ".installed").touch()
    assert interpreter(PEERS[0], tmp_path) == str(folder / "bin" / "python")


def test_torch_is_installed_first_and_held_for_what_follows():
    for peer in PEERS:
        first, second, *_ = installer.commands(peer, "held.txt")
        assert first == ("install", "-q", "torch==2.13.0", "numpy")
        assert second[:4] == ("install", "-q", "-c", "held.txt")


def test_a_peer_out_of_tolerance_is_marked_and_cenote_ends_the_run(arena, workload, monkeypatch):
    wanted = np.array([[-1.0], [3.0]])
    (row,) = compete(arena, entries_of(arena, workload), workload, "embed", wanted, rounds=1)
    assert not row["within"]
    (entry,) = entries_of(arena, workload)
    entry.peer = CENOTE
    with pytest.raises(ArithmeticError, match="cenote, float32: embed differs"):
        compete(arena, [entry], workload, "embed", wanted, rounds=1)


def test_agreement_is_told_by_cosines_or_by_the_largest_difference():
    rows = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)
    assert agreement("embed", rows, rows * 3) == {"cosine_min": 1.0, "cosine_mean": 1.0}
    found = agreement("rerank", np.array([0.5, 0.25]), np.array([0.5, 0.5]))
    assert found == {"difference": 0.25}
    assert agreement("maxsim", np.array([5.0, 8.0]), np.array([5.0, 10.0])) == {"difference": 0.2}
    assert not within("embed", "int8", {"cosine_min": float("nan")})
    assert within("rerank", "int8", {"difference": 0.01})
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        agreement("embed", np.zeros(2), np.zeros(3))


def test_operations_are_those_of_products_and_attention_on_real_tokens():
    config = {"hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6}
    assert operations(config, [1]) == 6 * (8 * 384**2 + 4 * 384 * 1536 + 4 * 384)
    assert operations(config, [10, 30]) > operations(config, [20, 20])


def test_rankings_agree_where_vectors_do_and_less_where_they_do_not():
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((44, 8)).astype(np.float32)
    scores = vector_scores(vectors, 4)
    assert scores.shape == (4, 40)
    assert ranking_agreement(scores, scores) == {"ndcg": pytest.approx(1), "overlap": 1.0}
    other = ranking_agreement(vector_scores(draw.standard_normal((44, 8)).astype(np.float32), 4), scores)
    assert other["ndcg"] < 0.9
    assert other["overlap"] < 1


def test_the_spread_is_the_distance_of_the_quartiles_beside_the_median():
    assert spread_of([1.0, 2.0]) == 0
    assert spread_of([1.0, 2.0, 3.0]) == pytest.approx(0.5)
    assert spread_of([2.0] * 9 + [50.0]) == 0
