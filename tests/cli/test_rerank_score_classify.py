"""`cenote rerank`, `cenote score` and `cenote classify` on the demonstration model and on look-alikes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cenote import LLM, PoolingParams
from cenote.cli.classify import app as classify_app
from cenote.cli.rerank import app as rerank_app
from cenote.cli.score import app as score_app
from cenote.cli.texts import read_pairs
from cenote.errors import InvalidRequest, PromptTooLong, UnsupportedTask
from cenote.testing.checkpoints import build_checkpoint

QUERY = "What is a cenote?"
DOCUMENTS = ["Bread needs flour.", "A cenote is a natural pit.", "The committee meets on Thursday."]
LONG = "word " * 600

Run = Callable[..., str]


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("ms_marco_minilm", tmp_path_factory.mktemp("reranker")))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("bert", tmp_path_factory.mktemp("embedder")))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("bert_classifier", tmp_path_factory.mktemp("classifier")))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; what it raises is raised."""
    monkeypatch.setenv("COLUMNS", "100")

    def call(app: typer.Typer, *arguments: str, stdin: str | None = None) -> str:
        done = CliRunner().invoke(app, arguments, input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_documents_are_sorted_by_score_and_cut_to_the_best(run: Run) -> None:
    heading, best, second = run(rerank_app, QUERY, *DOCUMENTS, "--top-n", "2").splitlines()
    assert heading.split() == ["rank", "score", "index", "document"]
    assert best.split()[0::2] == ["1", "1", "cenote", "a", "pit."]
    assert best.endswith(DOCUMENTS[1])
    assert second.split()[0] == "2"


def test_rerank_as_json_equals_the_method_of_llm(run: Run, reranker: str, tmp_path: Path) -> None:
    file = tmp_path / "documents.txt"
    file.write_text("\n".join(DOCUMENTS))
    printed = json.loads(run(rerank_app, reranker, QUERY, "-f", str(file), "--json", "--raw"))
    with LLM(reranker) as llm:
        expected = llm.rerank(QUERY, DOCUMENTS, pooling_params=PoolingParams(use_activation=False), use_tqdm=False)
    assert [(item["index"], item["document"]) for item in printed] == [(item.index, item.document) for item in expected]
    assert [item["score"] for item in printed] == pytest.approx([item.score for item in expected], abs=1e-5)


def test_documents_may_come_on_standard_input(run: Run, embedder: str) -> None:
    words = ("--model", embedder, QUERY, "--json")
    printed = json.loads(run(rerank_app, *words, stdin="\n".join(DOCUMENTS)))
    given = json.loads(run(rerank_app, *words, *DOCUMENTS))
    assert [item["document"] for item in printed] == [item["document"] for item in given]
    assert [item["score"] for item in printed] == pytest.approx([item["score"] for item in given], abs=1e-5)


def test_the_first_text_is_scored_with_each_other_one(run: Run) -> None:
    printed = json.loads(run(score_app, QUERY, *DOCUMENTS, "--json"))
    assert [(item["index"], item["text_1"], item["text_2"]) for item in printed] == [
        (place, QUERY, document) for place, document in enumerate(DOCUMENTS)
    ]
    assert max(printed, key=lambda item: item["score"])["index"] == 1


def test_lines_are_scored_as_pairs_in_three_forms(run: Run, reranker: str) -> None:
    lines = [f"{QUERY}\t{DOCUMENTS[0]}", json.dumps([QUERY, DOCUMENTS[0]])]
    lines.append(json.dumps({"text": QUERY, "text_pair": DOCUMENTS[0]}))
    printed = json.loads(run(score_app, "--model", reranker, "--json", stdin="\n".join(lines)))
    assert [item["text_2"] for item in printed] == DOCUMENTS[:1] * 3
    assert [item["score"] for item in printed] == pytest.approx([printed[0]["score"]] * 3, abs=1e-5)
    assert len(run(score_app, "--model", reranker, stdin="\n".join(lines)).splitlines()) == 4


def test_another_way_of_scoring_can_be_asked_for(run: Run, embedder: str) -> None:
    (cosine,) = json.loads(run(score_app, embedder, "one", "one", "--json"))
    (maxsim,) = json.loads(run(score_app, embedder, "one", "one", "--score-type", "colbert", "--json"))
    assert cosine["score"] == pytest.approx(1, abs=1e-5)
    assert maxsim["score"] == pytest.approx(3, abs=1e-5)


def test_documents_are_merged_by_a_factor(run: Run, embedder: str) -> None:
    asked = ("--score-type", "colbert", "--pool-factor", "3", "--json")
    scored = json.loads(run(score_app, embedder, QUERY, *DOCUMENTS, *asked))
    ranked = json.loads(run(rerank_app, embedder, QUERY, *DOCUMENTS, *asked))
    with LLM(embedder) as llm:
        params = PoolingParams(pool_factor=3)
        outputs = llm.score(QUERY, DOCUMENTS, score_type="colbert", pooling_params=params, use_tqdm=False)
    wanted = [output.outputs.score for output in outputs]
    assert [item["score"] for item in scored] == pytest.approx(wanted, abs=1e-4)
    assert {item["index"]: item["score"] for item in ranked} == pytest.approx(dict(enumerate(wanted)), abs=1e-4)
    whole = json.loads(run(score_app, embedder, QUERY, *DOCUMENTS, "--score-type", "colbert", "--json"))
    assert [item["score"] for item in whole] != pytest.approx(wanted, abs=1e-2)
    with pytest.raises(InvalidRequest, match="pool_factor means nothing"):
        run(score_app, embedder, QUERY, *DOCUMENTS, "--pool-factor", "3")


def test_scores_are_mixed_by_weights(run: Run, embedder: str) -> None:
    mix = ("--score-type", "colbert+dense", "--weights", "1, 0.5", "--json")
    (mixed,) = json.loads(run(score_app, embedder, "one", "one", *mix))
    assert mixed["score"] == pytest.approx((1 + 0.5 * 3) / 1.5, abs=1e-5)
    (ranked,) = json.loads(run(rerank_app, embedder, "one", "one", *mix))
    assert ranked["score"] == pytest.approx(mixed["score"], abs=1e-5)
    with pytest.raises(InvalidRequest, match="takes numbers with commas"):
        run(score_app, embedder, "one", "one", "--weights", "1;2")
    with pytest.raises(InvalidRequest, match="3 weights for 2 scores"):
        run(rerank_app, embedder, "one", "one", "--score-type", "colbert+dense", "--weights", "1,1,1")


def test_texts_are_classified_with_the_names_of_the_labels(run: Run, classifier: str) -> None:
    heading, row = run(classify_app, classifier, "a fine day").splitlines()
    assert heading.split() == ["text", "label", "value", "next"]
    printed = json.loads(run(classify_app, classifier, "a fine day", "--json"))
    assert printed[0]["text"] == "a fine day"
    assert set(printed[0]["values"]) == {"negative", "neutral", "positive"}
    assert sum(printed[0]["values"].values()) == pytest.approx(1, abs=1e-5)
    best = max(printed[0]["values"], key=printed[0]["values"].get)
    assert printed[0]["label"] == best
    assert row.split()[3] == best
    raw = json.loads(run(classify_app, classifier, "a fine day", "--json", "--raw"))
    assert sum(raw[0]["values"].values()) != pytest.approx(1, abs=1e-2)


def test_pairs_are_classified_jointly(run: Run, classifier: str) -> None:
    by_argument = run(classify_app, classifier, "--pair", "--json", "a premise", "a claim", "one", "two")
    by_line = run(classify_app, classifier, "--pair", "--json", stdin="a premise\ta claim\none\ttwo\n")
    assert json.loads(by_argument)[1]["text_pair"] == "two"
    for item, other in zip(json.loads(by_argument), json.loads(by_line), strict=True):
        assert item["values"] == pytest.approx(other["values"], abs=1e-5)


@pytest.mark.parametrize(
    ("app", "arguments", "named"),
    [
        (rerank_app, [LONG, "a"], "The query has more than the 128 tokens"),
        (rerank_app, [QUERY, "a", LONG], "Document 2 has more than the 128 tokens"),
        (score_app, ["a", "b", LONG], "Text 3 has more than the 128 tokens"),
        (score_app, [LONG, "b"], "Text 1 has more than the 128 tokens"),
    ],
)
def test_an_over_long_text_is_named_with_the_flag_that_helps(
    run: Run, embedder: str, app: typer.Typer, arguments: list[str], named: str
) -> None:
    with pytest.raises(PromptTooLong, match=rf"{named}.* --truncate\."):
        run(app, "--model", embedder, *arguments)
    assert run(app, "--model", embedder, *arguments, "--truncate")


def test_an_over_long_line_of_pairs_is_named(run: Run, reranker: str, classifier: str) -> None:
    with pytest.raises(PromptTooLong, match="Line 2 has more than the 160 tokens"):
        run(score_app, "--model", reranker, stdin=f"a\tb\nc\t{LONG}\n")
    with pytest.raises(PromptTooLong, match="Pair 1 has more than"):
        run(classify_app, classifier, "--pair", "a", LONG)


def test_a_model_that_cannot_do_it_says_so(run: Run, embedder: str, classifier: str) -> None:
    with pytest.raises(UnsupportedTask, match="cannot do task 'classify'"):
        run(classify_app, "--model", embedder, "a")
    with pytest.raises(UnsupportedTask, match="exactly one label"):
        run(score_app, classifier, "a", "b")


@pytest.mark.parametrize(
    ("app", "arguments", "message"),
    [
        (rerank_app, [], "There is no query"),
        (score_app, ["alone"], "One text alone has no score"),
        (score_app, ["a", "b", "-f", "x"], "not both"),
        (classify_app, ["--pair", "a"], "1 texts were given"),
        (classify_app, ["--pooler-config", "{", "a"], "--pooler-config is not valid JSON"),
    ],
)
def test_wrong_arguments_are_refused_before_a_model_is_loaded(
    run: Run, app: typer.Typer, arguments: list[str], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        run(app, "--model", "/nowhere", *arguments)


@pytest.mark.parametrize("line", ["one text", "a\tb\tc", '["a"]', '{"text": "a"}', '["a", 5]', ""])
def test_a_line_that_is_no_pair_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(f"a\tb\n{line}\n")
    with pytest.raises(InvalidRequest, match="Line 2 is no pair"):
        read_pairs([], file)


def test_the_engines_options_reach_the_model(run: Run, reranker: str) -> None:
    scores: list[Any] = [
        json.loads(run(score_app, "--model", reranker, "--json", *options, "a", "b"))[0]["score"]
        for options in ([], ["--pooler-config", '{"logit_mean": 1.0}', "--dtype", "float32"])
    ]
    assert scores[0] - scores[1] == pytest.approx(1.0, abs=1e-4)


def test_the_commands_are_listed_and_run_by_name(site: Any, here: Any) -> None:
    shown = site.cenote("--help").stdout
    assert all(name in shown for name in ("rerank", "score", "classify"))
    assert json.loads(here("rerank", QUERY, *DOCUMENTS, "--json").stdout)[0]["index"] == 1
    refused = site.fresh("rerank")
    assert (refused.returncode, refused.stderr.startswith("Error: There is no query")) == (2, True)
