"""Sizes with suffixes, in options of the engine and of the server, from code, environment and command line."""

from __future__ import annotations

from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.config.server import ServerConfig
from cenote.errors import InvalidRequest


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("8k", 8000),
        ("8K", 8192),
        ("25.6k", 25600),
        ("1m", 1000000),
        ("64M", 67108864),
        (" 2K ", 2048),
        ("512", 512),
        (512, 512),
    ],
)
def test_small_suffixes_are_powers_of_1000_and_large_ones_of_1024(given: Any, size: int) -> None:
    assert EngineConfig(max_model_len=given).max_model_len == size
    assert EngineConfig(max_num_batched_tokens=given, max_num_queued_tokens=given).max_num_batched_tokens == size
    assert ServerConfig(max_body_bytes=given).max_body_bytes == size


@pytest.mark.parametrize(
    "given", ["8kb", "k", "1.5K", "1.2345k", ".5k", "8 k", "", "1e3", "٣k", "9" * 40, "-5k", True, 1.5]
)
def test_what_is_no_size_is_refused_with_its_name(given: Any) -> None:
    with pytest.raises(InvalidRequest, match="max_model_len"):
        EngineConfig(max_model_len=given)
    with pytest.raises(InvalidRequest, match="max_body_bytes"):
        ServerConfig.from_options(max_body_bytes=given)


def test_an_automatic_length_has_two_spellings() -> None:
    assert EngineConfig(max_model_len="auto").max_model_len is None
    assert EngineConfig(max_model_len="-1").max_model_len is None


def test_sizes_come_from_the_environment_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENOTE_MAX_BODY_BYTES", "3K")
    assert ServerConfig().max_body_bytes == 3072
