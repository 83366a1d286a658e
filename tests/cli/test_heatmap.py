"""`cenote heatmap`: its numbers against an independent computation, its pictures, and what it refuses."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from cenote import LLM
from cenote.cli.heatmap import app
from cenote.cli.heatmap_files import write_picture
from cenote.cli.score import app as score_app
from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.testing.checkpoints import build_checkpoint

QUERY = "what is a cenote"
ROWS, COLUMNS = 6, 4

Run = Callable[..., str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("nemotron_colembed", tmp_path_factory.mktemp("colembed") / "m"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 6 rows of 4 patches, whose pixels are no multiple of the model's patches."""
    image = Image.new("RGB", (130, 190), "white")
    draw = ImageDraw.Draw(image)
    for place in range(6):
        draw.ellipse(
            (20 * place, 28 * place, 20 * place + 25, 28 * place + 20), fill=(40 * place, 90, 255 - 40 * place)
        )
    path = tmp_path_factory.mktemp("page") / "page.png"
    image.save(path)
    return path


@pytest.fixture(scope="module")
def said(model: str, page: Path) -> Any:
    """What the command says of the query on the page, as JSON."""
    done = CliRunner().invoke(app, ["--model", model, str(page), "--query", QUERY, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; what it raises is raised."""
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: Any, command: Any = app) -> str:
        done = CliRunner().invoke(command, [str(each) for each in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


@pytest.fixture(scope="module")
def vectors(model: str, page: Path) -> tuple[Any, Any, Any]:
    """Vectors of the query and of the page, and the positions of the latter."""
    with LLM(model) as llm, Image.open(page) as image:
        (query,) = llm.encode([QUERY], pooling_task="token_embed", role="query", use_tqdm=False)
        shown: Any = {"multi_modal_data": {"image": image}}
        (found,) = llm.encode([shown], pooling_task="token_embed", role="document", use_tqdm=False)
    return query.outputs.data.numpy(), found.outputs.data.numpy(), found.outputs.positions


def test_numbers_equal_an_independent_computation(said: Any, vectors: Any) -> None:
    query, document, positions = vectors
    products = query.astype(np.float64) @ document.T.astype(np.float64)
    assert said["page"] == {"width": 130, "height": 190, "rows": ROWS, "columns": COLUMNS}
    assert said["score"] == pytest.approx(products.max(axis=1).sum(), abs=1e-4)
    assert len(said["tokens"]) == len(query)
    is_patch = np.array([isinstance(place, list) for place in positions])
    expected_map = np.zeros((ROWS, COLUMNS))
    for token, line in zip(said["tokens"], products, strict=True):
        best = int(np.where(is_patch, line, -np.inf).argmax())
        assert token["similarity"] == pytest.approx(line[best], abs=1e-5)
        assert [token["row"], token["column"]] == positions[best]
        assert token["counted"] == pytest.approx(line.max(), abs=1e-5)
        if not token["added"] and is_patch[line.argmax()]:
            expected_map[tuple(positions[line.argmax()])] += line.max()
    np.testing.assert_allclose(said["map"], expected_map, atol=1e-5)
    assert said["parts"]["patches"] == pytest.approx(expected_map.sum(), abs=1e-4)
    assert sum(said["parts"].values()) == pytest.approx(said["score"], abs=1e-4)


def test_the_score_is_that_of_cenote_score(run: Run, model: str, page: Path, said: Any) -> None:
    (scored,) = json.loads(run("--model", model, QUERY, "--image", page, "--json", command=score_app))
    assert said["score"] == pytest.approx(scored["score"], abs=1e-4)


def test_the_querys_own_tokens_are_told_from_those_of_the_layout(said: Any) -> None:
    own = [token for token in said["tokens"] if not token["added"]]
    assert "".join(token["token"] for token in own).strip() == QUERY
    assert own[0]["index"] > 0
    assert own[-1]["index"] < len(said["tokens"]) - 1
    left, top, right, bottom = own[0]["box"]
    assert 0 <= left < right <= 130
    assert 0 <= top < bottom <= 190
    assert right - left in (32, 33)


@pytest.mark.parametrize(("kind", "reduce"), [("mean", np.mean), ("max", np.max)])
def test_maps_of_similarity_are_over_the_querys_own_tokens_or_chosen_ones(
    run: Run, model: str, page: Path, vectors: Any, said: Any, kind: str, reduce: Any
) -> None:
    query, document, positions = vectors
    cells = [place for place, at in enumerate(positions) if isinstance(at, list)]
    similarities = (query @ document[cells].T).reshape(len(query), ROWS, COLUMNS)
    own = [token["index"] for token in said["tokens"] if not token["added"]]
    mapped = json.loads(run("--model", model, page, "--query", QUERY, "--json", "--map", kind))
    np.testing.assert_allclose(mapped["map"], reduce(similarities[own], axis=0), atol=1e-5)
    every = json.loads(run("--model", model, page, "--query", QUERY, "--json", "--map", kind, "--added-tokens"))
    np.testing.assert_allclose(every["map"], reduce(similarities, axis=0), atol=1e-5)
    one = json.loads(run("--model", model, page, "--query", QUERY, "--json", "--map", kind, "--token", own[1]))
    np.testing.assert_allclose(one["map"], similarities[own[1]], atol=1e-5)
    word = json.loads(run("--model", model, page, "--query", QUERY, "--json", "--map", kind, "--token", "Cenote"))
    chosen = [token["index"] for token in said["tokens"] if not token["added"]][-len_of("cenote", said) :]
    np.testing.assert_allclose(word["map"], reduce(similarities[chosen], axis=0), atol=1e-5)


def len_of(word: str, said: Any) -> int:
    """Return how many of the last own tokens make a word."""
    text, count = "", 0
    for token in reversed([token for token in said["tokens"] if not token["added"]]):
        text, count = token["token"] + text, count + 1
        if text.strip() == word:
            return count
    raise AssertionError(text)


def test_the_picture_shows_the_map_on_the_page(run: Run, model: str, page: Path, tmp_path: Path) -> None:
    said = json.loads(
        run("--model", model, page, "--query", QUERY, "--json", "--map", "mean", "-o", tmp_path / "m.png")
    )
    with Image.open(tmp_path / "m.png") as picture, Image.open(page) as original:
        assert (picture.size, picture.mode) == (original.size, "RGB")
        changed = np.abs(np.asarray(picture, float) - np.asarray(original, float)).sum(axis=2)
    row, column = np.unravel_index(np.argmax(said["map"]), (ROWS, COLUMNS))
    least = np.unravel_index(np.argmin(said["map"]), (ROWS, COLUMNS))
    assert mean_of(changed, row, column) > 4 * mean_of(changed, *least)
    assert stat.S_IMODE((tmp_path / "m.png").stat().st_mode) & 0o400
    assert sorted(tmp_path.iterdir()) == [tmp_path / "m.png"]


def mean_of(values: Any, row: Any, column: Any) -> float:
    """Return the mean in the middle of a patch."""
    height, width = 190 / ROWS, 130 / COLUMNS
    y, x = int((row + 0.5) * height), int((column + 0.5) * width)
    return float(values[y - 4 : y + 4, x - 4 : x + 4].mean())


def test_every_token_has_a_picture_of_its_own(run: Run, model: str, page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    printed = run("--model", model, page, "--query", QUERY, "--all-tokens", folder)
    rows = [line.split() for line in printed.split("\n\n")[1].splitlines()[1:]]
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{int(row[0]):03}-{row[1]}.png" for row in rows]
    assert len({(folder / name).read_bytes() for name in names}) == len(names)


def test_the_table_says_what_the_score_consists_of(run: Run, model: str, page: Path) -> None:
    printed = run("--model", model, page, "--query", QUERY)
    parts = {line.split()[0]: float(line.split()[1]) for line in printed.split("\n\n")[0].splitlines()[1:]}
    assert list(parts) == ["score", "patches", "text", "added"]
    assert sum(parts.values()) == pytest.approx(2 * parts["score"], abs=1e-3)
    assert "6 x 4 patches" in printed


def test_a_picture_that_shows_nothing_is_explained(model: str, page: Path, tmp_path: Path, said: Any) -> None:
    away = next(token["index"] for token in said["tokens"] if token["counted"] > token["similarity"] + 1e-3)
    arguments = ["--model", model, str(page), "--query", QUERY, "--token", str(away), "-o", str(tmp_path / "map.png")]
    for kind, is_empty in (("contribution", True), ("mean", False)):
        done = CliRunner().invoke(app, [*arguments, "--map", kind])
        assert done.exit_code == 0
        assert ("no patch adds to the score" in done.stderr) == is_empty
        with Image.open(tmp_path / "map.png") as picture, Image.open(page) as original:
            assert (picture.tobytes() == original.tobytes()) == is_empty


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".PNG"])
def test_other_formats_go_by_the_name(run: Run, model: str, page: Path, tmp_path: Path, suffix: str) -> None:
    run("--model", model, page, "--query", QUERY, "-o", tmp_path / f"m{suffix}")
    with Image.open(tmp_path / f"m{suffix}") as picture:
        assert picture.size == (130, 190)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{page}", "--query", " "], "There is no query"),
        (["{page}"], "There is no query"),
        (["--query", "a"], "beside the model; found 0 arguments"),
        (["{page}", "{page}", "--query", "a"], "beside the model; found 2 arguments"),
        (["absent.png", "--query", "a"], "Cannot read 'absent.png': No such file or directory"),
        (["{folder}", "--query", "a"], "Cannot read .*: Is a directory"),
        (["{text}", "--query", "a"], "text.png': The medium is no image that can be read"),
        (["{cut}", "--query", "a"], "cut.png': The image is truncated or broken"),
        (["{page}", "--query", "a", "--max-image-pixels", "1000"], "130 x 190 pixels; at most 1000"),
        (["{page}", "--query", "a", "--max-media-bytes", "100"], "has more than 100 bytes; --max-media-bytes"),
        (["{page}", "--query", "a", "-o", "{folder}/m.txt"], "'m.txt' does not say the format"),
        (["{page}", "--query", "a", "-o", "{folder}/absent/m.png"], "its folder does not exist"),
        (["{page}", "--query", "a", "-o", "{folder}/is.png"], "it is a folder"),
        (["{page}", "--query", "a", "-o", "{page}"], "is the page itself"),
        (["{page}", "--query", "a", "--all-tokens", "{page}"], "is no folder, or may not be written to"),
        (["{page}", "--query", "a", "--all-tokens", "{folder}/absent/deep"], "is no folder"),
    ],
)
def test_bad_input_is_refused_before_a_model_is_loaded(
    run: Run, page: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "is.png").mkdir()
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.png").write_bytes(page.read_bytes()[:-300])
    names = {"page": page, "folder": tmp_path, "text": tmp_path / "text.png", "cut": tmp_path / "cut.png"}
    before = page.read_bytes()
    with pytest.raises(InvalidRequest, match=message):
        run("--model", "/no/such/model", *(each.format(**names) for each in arguments))
    if arguments[0] != "--query":
        with pytest.raises(InvalidRequest, match=message) as refused:
            run("/no/such/model", *(each.format(**names) for each in arguments))
        assert not getattr(refused.value, "__notes__", [])  # the first word is no text that could be meant
    assert page.read_bytes() == before
    assert not (tmp_path / "m.txt").exists()


def test_a_page_of_fewer_pixels_than_patches_has_no_empty_rectangle(run: Run, model: str, tmp_path: Path) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    found = json.loads(run(model, tmp_path / "dot.png", "--query", QUERY, "--json"))
    assert {tuple(token["box"]) for token in found["tokens"]} == {(0, 0, 1, 1)}


def test_a_model_that_cannot_do_it_is_named_with_the_reason(run: Run, page: Path, tmp_path: Path) -> None:
    target = tmp_path / "map.png"
    with pytest.raises(InvalidRequest, match="The page: This model reads text only"):
        run(build_checkpoint("bert", tmp_path / "bert"), page, "--query", "a", "-o", target)
    with pytest.raises(UnsupportedTask, match="needs the task 'token_embed'"):
        run(build_checkpoint("ms_marco_minilm", tmp_path / "ranks"), page, "--query", "a", "-o", target)
    with pytest.raises(InvalidRequest, match=r"The page: .*into \d+ tiles, each with patches of its own"):
        run("--model", build_checkpoint("colmodernvbert", tmp_path / "tiles"), page, "--query", "a", "-o", target)
    assert not target.exists()


def test_a_token_that_is_not_there_or_a_placeholder_in_the_query_is_refused(
    run: Run, model: str, page: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest, match="The query has no token 'bread'"):
        run("--model", model, page, "--query", QUERY, "--token", "bread", "-o", tmp_path / "m.png")
    with pytest.raises(InvalidRequest, match=r"The query: .*<\|image_pad\|>"):
        run("--model", model, page, "--query", "what <|image_pad|>", "-o", tmp_path / "m.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "m.webp"
    target.write_bytes(b"before")
    with pytest.raises(InvalidRequest, match=r"Cannot write .*m\.webp"):
        write_picture(Image.new("RGB", (17000, 1)), target)  # beyond what WebP holds
    assert target.read_bytes() == b"before"
    write_picture(Image.new("RGB", (17, 1)), target)
    assert list(tmp_path.iterdir()) == [target]
    with Image.open(target) as picture:
        assert picture.size == (17, 1)
