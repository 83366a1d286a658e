"""The verdict of `make bench-check`: figures within margins, and ways that must be the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness.baseline import (
    MARGINS,
    MEMORY,
    Baseline,
    failed,
    judged,
    other_ways,
    read,
    refreshed,
    slower,
    with_new,
    written,
)
from harness.job import Job
from harness.machine import lesser
from harness.ratios import CASES
from harness.workers import cenote_llm, transformers_padded

from cenote.kernels import OPERATORS


def test_only_a_ratio_below_the_baseline_less_its_margin_is_slower():
    measured = {"embed": 1.5, "rerank": 1.5, "new int8": 9.0, MEMORY: 1.2}
    margins = {"embed": 0.3, "rerank": 0.2, "gone": 0.2, MEMORY: 0.1}
    baseline = Baseline({"embed": 2.0, "rerank": 2.0, "gone": 1.0, MEMORY: 1.4}, margins)
    assert slower(measured, baseline) == ["rerank", MEMORY, "gone"]
    verdicts = {name: verdict for name, *_, verdict in judged(measured, baseline)}
    assert verdicts == {
        "embed": "ok",
        "rerank": "SLOWER",
        "new int8": "not judged",
        MEMORY: "SLOWER",
        "gone": "SLOWER",
    }


def test_without_a_baseline_cenote_may_still_not_fall_behind_transformers():
    measured = {"first answer": 0.99, "embed float32": 1.01, "embed bfloat16": 0.5, "server, one text float32": 0.9}
    assert slower(measured, Baseline()) == ["first answer"]
    assert slower({"first answer": 0.99}, Baseline({"first answer": 1.06})) == ["first answer"]
    assert {name: verdict for name, *_, verdict in judged(measured, Baseline())} == {
        "first answer": "SLOWER",
        "embed float32": "ok",
        "embed bfloat16": "not judged",
        "server, one text float32": "not judged",
    }


def test_a_margin_is_twice_what_measurements_differ_by_within_bounds():
    passes = [
        {"steady": 2.0, "unsteady": 2.0, "wild": 1.0, MEMORY: 1.3},
        {"steady": 2.02, "unsteady": 2.2, "wild": 3.0, MEMORY: 1.3},
        {"steady": 1.98, "unsteady": 1.9, "wild": 2.0, MEMORY: 1.3},
    ]
    baseline = refreshed(passes, {"linear": "native"}, "today")
    assert baseline.ratios == {"steady": 2.0, "unsteady": 2.0, "wild": 2.0, MEMORY: 1.3}
    assert baseline.margins == {"steady": MARGINS[0], "unsteady": 0.3, "wild": MARGINS[1], MEMORY: 0.1}
    assert baseline.ways == {"linear": "native"}


def test_figures_of_new_works_leave_those_of_others_alone():
    old = Baseline({"embed": 2.0}, {}, {"linear": "native"}, "a quiet day")
    found = refreshed([{"embed": 1.0, "server": 0.8}], {"linear": "cpu"}, "today")
    assert with_new(old, found) == Baseline(
        {"embed": 2.0, "server": 0.8}, {"server": MARGINS[0]}, {"linear": "native"}, "a quiet day; server: today"
    )
    assert with_new(old, Baseline({"embed": 1.0})) == old
    assert with_new(Baseline(), found) == found, "a kind of processor that nothing is known of"
    slow = Baseline(ways={"linear": "native"})
    assert with_new(slow, found) == Baseline(found.ratios, found.margins, {"linear": "native"}, "today")


def test_what_is_computed_in_another_way_is_named_with_both():
    baseline = Baseline(ways={"linear": "native", "maxsim": "native", "embed": "packed"})
    assert other_ways({"linear": "native", "maxsim": "native", "embed": "packed", "new": "x"}, baseline) == []
    assert other_ways({"linear": "cpu", "maxsim": "native"}, baseline) == [
        "linear: cpu; before: native",
        "embed: nothing; before: packed",
    ]
    assert other_ways({"linear": "cpu"}, Baseline()) == [], "a kind of processor that nothing is known of"
    half = Baseline(ways={"embed bfloat16": "packed, 24 products of linear:cpu"})
    assert other_ways({"embed bfloat16": "packed, 0 products of linear:cpu"}, half) == [], "torch's library decides"


def test_ways_and_memory_fail_also_where_speed_is_only_told():
    assert failed(["embed"], [], tell=False)
    assert not failed(["embed"], [], tell=True)
    assert failed(["embed", MEMORY], [], tell=True)
    assert failed([], ["linear: cpu; before: native"], tell=True)
    assert not failed([], [], tell=False)


def test_refreshing_a_baseline_replaces_one_kind_of_machine_only(tmp_path):
    path = tmp_path / "baseline.json"
    assert read(path, "amx") == Baseline()
    first, second = Baseline({"embed": 2.0}, measured="2026-11-20, X"), Baseline({"embed": 1.5}, {}, {"linear": "cpu"})
    path.write_text(written("", "amx", first))
    path.write_text(written(path.read_text(), "avx2", second))
    assert read(path, "amx") == first
    assert read(path, "avx2") == second
    assert read(path, "other") == Baseline()


def test_the_committed_baseline_says_for_each_kind_how_every_operator_and_model_runs(benchmarks: Path):
    path = benchmarks / "baseline.json"
    models = {f"{work} {setting}" for work in ("embed", "rerank", "encode") for setting in CASES[work]}
    kinds = set(json.loads(path.read_text())["kinds"])
    assert {"amx"} <= kinds <= set(lesser("amx"))
    for kind in kinds:
        ways = read(path, kind).ways
        assert set(ways) == {*OPERATORS, *models}
        # Our own products, which layers are joined around, need AVX-512.
        layers = "packed; 6 fused layers, " if kind == "avx2" else "packed; 6 fused layers, joined, "
        assert all(ways[name].startswith(layers) for name in models if name.endswith("float32"))
        assert ways["linear"] == ("cpu" if kind == "avx2" else "native")
        assert ways["varlen_attention"] == ways["maxsim"] == "native"
    assert all(value > 0 for value in read(path, "amx").ratios.values())


def test_lesser_kinds_are_those_that_can_do_less():
    assert lesser("avx512_bf16") == ["avx512_bf16", "avx512_vnni", "avx512", "avx2"]
    assert lesser("other") == []


@pytest.fixture(scope="module")
def colbert(tmp_path_factory) -> Path:
    from harness.models import model_folder

    return model_folder("colbert", tmp_path_factory.mktemp("home"))


def test_cenote_tells_how_it_computes_and_plain_transformers_gives_the_same_vectors(colbert):
    job = Job("encode", str(colbert), "float32", 16)
    texts = ["a text of a few words", "two", "a text that is cut since it has more tokens than sixteen in all, or so"]
    runner = cenote_llm.load(job)
    assert runner.told["execution"].startswith("packed; 6 fused layers")
    assert "(" not in runner.told["execution"]
    assert {*OPERATORS} < {*runner.told}
    found, wanted = runner(texts, 0), transformers_padded.load(Job("encode", str(colbert), "sorted", 16))(texts, 2)
    assert found.shape == wanted.shape
    assert found == pytest.approx(wanted, abs=1e-4)
