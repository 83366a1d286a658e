"""What a run becomes: tables, and a page with plots."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from harness.drawings import drawings
from harness.origin import CHANGED, Mixed, about, check_published, commit_of
from harness.page import as_text, page, publish
from harness.rates import at_most, hold_against_best
from harness.sections import FULL, QUICK
from harness.targets import targets


def row(peer: str, per_second: float, **facts) -> dict:
    return {
        "peer": peer,
        "title": peer,
        "setting": "float32",
        "batch": 8,
        "versions": {peer: "1.0"},
        "seconds": [1.0],
        "per_second": per_second,
        "cosine_min": 1.0,
        "within": True,
        **facts,
    }


@pytest.fixture
def run() -> dict:
    machine = {"processor": "A<B", "kind": "avx2", "cores": 2, "threads": 2, "system": "Linux"}
    speeds = {"tokens_per_second": {"cenote, float32": 1000.0}, "cosine_min": 1.0}
    points = [{"at": at, **speeds, "operations_per_token": 1e6 * at} for at in (32, 64)]
    cut = [{"at": at, "seconds_per_text": {"cenote, float32": 0.01 * at**0.1}} for at in (10, 100)]
    counts = [{"at": at, "texts_per_second": 100.0, "peak_memory": 5e8, "result_memory": 1e6} for at in (10, 100)]
    made = about("abc123", FULL, datetime.datetime(2026, 11, 21, 9))
    contest = {"model": "MiniLM", "rounds": 3, "inputs": 4, "tokens": 80, "rates": {"float32": 4e11}}
    bad = row("openvino", 50.0, cosine_min=0.9, within=False, share=0.1)
    return {
        "date": "2026-11-21",
        "machine": {**machine, "python": "3.11", "torch": "2.13", "cenote": "0.1"},
        "sections": {
            "embed": {**contest, "about": made, "rows": [row("cenote", 100.0, share=0.25, spread=0.03), bad]},
            "scaling": {"length": points, "together": points, "cut": cut, "count": counts, "about": made},
            "serve": {"skipped": "wrk is not installed", "rows": [], "about": made},
        },
        "missing": ["onnx"],
        "failures": [{"peer": "vllm", "setting": "float32", "reason": "no"}],
    }


def test_a_table_tells_ratios_shares_and_who_is_out_of_tolerance(run):
    text = as_text(run)
    assert "| openvino | float32 |     8 |    50.0 |        |              2.00 x |   10% | 0.90000 * |" in text
    assert "|     3% |                     |   25% |   1.00000 |" in text
    assert "Not measured: wrk is not installed." in text


def test_who_did_not_take_part_is_named_with_a_command_or_a_reason(run):
    text = as_text(run)
    assert "`python benchmarks/peers.py install onnx`" in text
    assert "* vLLM, CPU build, float32: no" in text


def test_the_page_names_machine_date_versions_and_plots(run):
    text = page(run)
    assert "Measured on 2026-11-21, commit abc123: A<B (avx2), 2 cores" in text
    assert "* openvino: openvino 1.0" in text
    for name in drawings(run):
        assert f"](benchmarks/{name})" in text


def test_plots_are_well_formed(run):
    drawn = drawings(run)
    assert set(drawn) == {"embed_speed.svg", "scaling_length.svg", "scaling_together.svg", "scaling_memory.svg"}
    for text in drawn.values():
        assert ElementTree.fromstring(text).tag.endswith("svg")


def test_a_plot_stands_in_its_own_section(run):
    run["sections"]["embed_base"] = run["sections"]["embed"]
    text = page(run)
    place, end = text.index("## Embedding, offline"), text.index("## Embedding with a larger model")
    assert "embed_speed.svg" in text[place:end]
    assert "embed_base_speed.svg" not in text[place:end]
    assert "embed_base_speed.svg" in text[end:]


def test_each_section_says_its_rounds_and_marks_rows_that_are_doubtful(run):
    run["sections"]["embed"]["rows"] += [row("onnx", 9.0, spread=0.3), row("vllm", 8.0, spread=0.04, others=0.2)]
    text = as_text(run)
    assert "MiniLM: 4 inputs, 80 tokens. 3 rounds." in text
    assert "|  30% ! |" in text
    assert "|   4% ! |" in text
    assert "|     3% |" in text


def test_only_sections_of_full_size_and_one_commit_are_published(run):
    check_published(json.loads(json.dumps(run)))
    run["sections"]["embed"]["about"] = about("def456", FULL, datetime.datetime(2026, 11, 21, 10))
    with pytest.raises(Mixed, match="different commits, and are not published: abc123, def456"):
        check_published(run)
    run["sections"]["embed"]["about"] = about("abc123", QUICK, datetime.datetime(2026, 11, 21, 10))
    with pytest.raises(Mixed, match="Not of full size, and not published: embed"):
        check_published(run)
    del run["sections"]["embed"]["about"]
    with pytest.raises(Mixed, match="embed"):
        check_published(run)


def test_a_commit_is_marked_where_measured_files_differ_from_it(tmp_path):
    def git(*words: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *person, *words], check=True, capture_output=True)

    assert commit_of(tmp_path) == "unknown"
    git("init")
    for name in ("code.py", "docs/page.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("1")
    git("add", ".")
    git("commit", "-m", "all")
    commit = commit_of(tmp_path)
    assert len(commit) == 12
    (tmp_path / "docs" / "page.md").write_text("2")
    assert commit_of(tmp_path) == commit, "a page that is written is not measured"
    (tmp_path / "code.py").write_text("2")
    assert commit_of(tmp_path) == commit + CHANGED


def test_products_take_no_longer_than_the_fastest_whole_text_of_their_setting():
    rows = [{"setting": "float32", "milliseconds": 2.3}, {"setting": "bfloat16", "milliseconds": 1.5}]
    assert at_most({"float32": 2.55, "bfloat16": 0.8, "int8": 0.6}, rows) == {
        "float32": 2.3,
        "bfloat16": 0.8,
        "int8": 0.6,
    }


def test_the_least_cosine_is_that_of_the_most_texts(run):
    few = [row("cenote", 9.0, setting="int8", cosine_min=0.995), row("openvino", 9.0, setting="int8", cosine_min=0.993)]
    run["sections"]["embed"]["rows"] += few
    wanted = ("embedding, int8", "a better cosine than OpenVINO's")
    assert {(each.work, each.wanted): each.met for each in targets(run)}[wanted]
    many = [
        row("cenote", 9.0, setting="int8", cosine_min=0.9904),
        row("openvino", 9.0, setting="int8", cosine_min=0.991),
    ]
    models = [{"model": "another", "rows": few}, {"model": "MiniLM", "rows": many}]
    judged_by = {"embed": run["sections"]["embed"], "quality": {"models": models}}
    assert not {(each.work, each.wanted): each.met for each in targets({"sections": judged_by})}[wanted]


def test_all_shares_of_a_run_are_held_against_its_best_rates(run):
    settings = {"float32": 0.2, "float32, high": 0.8}
    for name, rates in (("embed", (4e11, 2e11)), ("rerank", (2e11, 3e11))):
        rows = [row("cenote", 9.0, setting=setting, share=share) for setting, share in settings.items()]
        run["sections"][name] = {
            **run["sections"]["embed"],
            "rates": dict(zip(settings, rates, strict=True)),
            "rows": rows,
        }
    for _ in range(2):  # twice is once
        hold_against_best(run["sections"])
        found = {name: [each["share"] for each in run["sections"][name]["rows"]] for name in ("embed", "rerank")}
        assert found == {"embed": [0.2, 0.4], "rerank": pytest.approx([0.1, 0.6])}
        assert run["sections"]["rerank"]["rates"] == {"float32": 4e11, "float32, high": 4e11}


def test_what_is_met_by_less_than_the_noise_is_marked_and_faster_ones_out_of_tolerance_are_named(run):
    rows = run["sections"]["embed"]["rows"]
    rows += [row("onnx", 90.0), row("fastembed", 95.0, within=False), row("vllm", 200.0, within=False)]
    (target,) = (each for each in targets(run) if each.wanted == "faster than every other library")
    assert target.measured == "1.11 x onnx, 0.50 x vllm (out of tolerance), 1.05 x fastembed (out of tolerance)"
    assert target.met
    assert target.close
    assert "| yes, within noise |" in page(run)
    rows[2]["per_second"] = 80.0
    assert "| yes, within noise |" not in page(run)


def test_publishing_writes_results_page_and_plots(run, tmp_path):
    written_paths = publish(tmp_path, run)
    assert json.loads((tmp_path / "benchmarks" / "results.json").read_text()) == run
    assert all(path.is_file() for path in written_paths)


def test_the_committed_page_and_plots_are_those_of_the_committed_results(benchmarks: Path):
    stored = json.loads((benchmarks / "results.json").read_text())
    docs = benchmarks.parent / "docs"
    assert (docs / "benchmarks.md").read_text() == page(stored)
    assert {path.name: path.read_text() for path in (docs / "benchmarks").iterdir()} == drawings(stored)


def test_targets_are_computed_from_what_was_measured_and_nothing_else(run):
    found = {(each.work, each.wanted): (each.measured, each.met) for each in targets(run)}
    assert found["embedding, float32", "at least 1.4 x openvino"] == ("2.00 x", True)
    assert found["embedding, float32", "75% of the matmul rate"] == ("25%", False)
    assert ("embedding, float32", "faster than every other library") not in found, "the other one is out of tolerance"
    assert found["embedding, float32", "operations/s within 15% from 32 to 64 tokens a text"] == ("within 50%", False)
    assert found["embedding, float32", "100 characters take at most 15% longer than 10, cut alike"] == ("+26%", False)
    assert "|               100 |            15.8 |" in as_text(run)
    assert not [each for each in targets(run) if "vLLM" in each.wanted]


def asked(peer: str, per_second: float, p50: float, first: float) -> dict:
    facts = {"requests_per_second": per_second, "p50": p50, "p99": 9.0, "client_cpu": 0.1, "first_answer": first}
    return {**row(peer, 0), "connections": 1, **facts}


def test_targets_of_servers_starts_and_single_texts_are_computed_too(run):
    query = [{**row(peer, 0), "milliseconds": value} for peer, value in (("cenote", 2.0), ("onnx", 2.5))]
    run["sections"]["embed"] |= {"query": query, "query_products": {"float32": 0.5}, "query_tokens": 12}
    bulk = {"peer": "cenote", "setting": "float32", "quiet_p50": 2.0, "quiet_p99": 5.0}
    run["sections"]["serve"] = {
        "seconds": 3,
        "rounds": 2,
        "rows": [asked("cenote", 300.0, 3.4, 2.0), asked("vllm", 250.0, 4.0, 9.0)],
        "bulk": [{**bulk, "p50": 9.0, "p99": 40.0, "requests": 900.0, "seconds": 18, "rounds": 2}],
    }
    started = [{**row(peer, 0), "first_answer": at, "peak_memory": 6e8} for peer, at in (("cenote", 2.9), ("torch", 4))]
    facts = {"inputs": 9, "weights": 1e8, "bare_memory": 2e8, "help_seconds": 0.6}
    run["sections"]["start"] = {**facts, "rows": started}
    text, found = page(run), {(each.work, each.wanted): each.met for each in targets(run)}
    assert found["one short text in process, float32", "at most 1.5 x its products + 1 ms: 1.75 ms"] is False
    assert found["one short text in process, float32", "faster than every other library"]
    assert found["server, float32, 1 at a time", "at least 1.5 x vllm"] is False
    assert found["server, float32, 1 at a time", "p50 at most in process + 1.5 ms: 3.5 ms"]
    assert found["server, float32, beside a bulk job", "p99 at most quiet + 2 steps of 25 ms: 55 ms"]
    assert found["server, first answer", "faster than every other server"]
    assert found["first answer", "faster than every library on torch"]
    assert found["`cenote --help`", "at most 0.5 s"] is False
    assert "cenote, 2 rounds of 18 s:" in text
    assert re.search(r"\| +40\.0 \| +900 \|", text)
    assert "The model's products alone, each shape as fast as the machine was seen to do it" in text
    run["sections"]["serve"]["bulk"][0]["quiet_p99"] = 99.0  # in a busy moment: the other load had 9 ms
    assert "p99 at most quiet + 2 steps of 25 ms: 59 ms" in [each.wanted for each in targets(run)]


def test_the_page_begins_with_what_is_not_met(run):
    text = page(run)
    assert text.index("**no**") < text.index("| yes ")
    assert f"{sum(each.met for each in targets(run))} of {len(targets(run))} are met" in text
