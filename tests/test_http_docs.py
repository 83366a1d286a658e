"""docs/http.md: every route is in it, and every curl line answers as it says."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "http_examples.py"))
TEXT = SCRIPT["DOCUMENT"].read_text()
#: Pages for people are in no OpenAPI document.
PAGES = {("GET", "/docs"), ("GET", "/openapi.json")}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with SCRIPT["live_examples"](tmp_path_factory.mktemp("http")) as runner:
        yield runner


def keys(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)":', text))


def test_every_curl_line_has_the_status_and_the_members_that_it_says(live: Any) -> None:
    examples = SCRIPT["examples"](TEXT)
    assert len(examples) == TEXT.count("\n$ curl ") > 40
    for example in examples:
        status, printed = live.run(example.command)
        assert status == example.status, (example.command, printed[:500])
        assert keys(example.shown) <= keys(printed), example.command
        assert bool(example.shown) == bool(printed.strip()), example.command


def test_every_route_is_named_and_called_and_no_other_is(live: Any) -> None:
    _, printed = live.run("curl -s http://127.0.0.1:8000/openapi.json")
    document = json.loads(printed)["paths"]
    routes = PAGES | {(method.upper(), path) for path, methods in document.items() for method in methods}
    assert set(re.findall(r"`(GET|POST)\s(/\S*)`", TEXT)) == routes
    called = {
        ("POST" if "--json" in line or "-X POST" in line else "GET", path)
        for path, line in re.findall(r"^\$ curl -s http://127.0.0.1:8000(/\S*)(.*)$", TEXT, flags=re.MULTILINE)
    }
    assert called == routes


def test_long_answers_are_shortened_and_short_ones_kept() -> None:
    shorten = SCRIPT["shorten"]
    assert shorten("[1, 2, 3, 4, 5, 6]") == "[1, 2, 3, 4, 5, 6]"
    assert shorten("[1, 2, 3, 4, 5, 6, 7]") == "[1, 2, 3, ... 4 more]"
    assert shorten('[{"a": 0.12345678}, {}, {}]') == '[{"a": 0.123457}, {}, ... 1 more]'
    assert shorten("no JSON\n") == "no JSON"
    assert shorten("\n".join("abcdefghij")).endswith("h\n...")
