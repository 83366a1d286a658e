"""Options of the server: defaults, environment, lists, errors."""

from __future__ import annotations

import pytest

from cenote.config.server import ServerConfig
from cenote.errors import InvalidRequest
from cenote.server.banner import address_warning


def test_an_argument_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServerConfig().port == 8000
    monkeypatch.setenv("CENOTE_PORT", "9000")
    assert ServerConfig().port == 9000
    assert ServerConfig(port=9001).port == 9001


@pytest.mark.parametrize(
    ("name", "value"), [("CENOTE_API_KEY", "a"), ("CENOTE_API_KEYS", "a"), ("CENOTE_API_KEYS", '["a"]')]
)
def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert ServerConfig().api_keys == ("a",)
    assert ServerConfig(api_keys=["b"]).api_keys == ("b",)


def test_empty_keys_are_no_keys() -> None:
    assert ServerConfig(api_keys=["", " "]).api_keys == ()
    assert ServerConfig(api_keys=["a,b", ""]).api_keys == ("a,b",)


@pytest.mark.parametrize("given", ["a, b", '["a", "b"]', ["a", "b"], ['["a"]', "b"]])
def test_lists_are_read_as_json_or_with_commas(given: object) -> None:
    assert ServerConfig(allowed_origins=given).allowed_origins == ("a", "b")


def test_keys_are_never_shown() -> None:
    config = ServerConfig(api_keys=["hunter2"])
    assert "hunter2" not in repr(config)
    with pytest.raises(InvalidRequest) as caught:
        ServerConfig.from_options(api_keys={"hunter2": 1})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("a", "/a"), ("/a/b/", "/a/b")])
def test_the_root_path_starts_with_a_slash_and_ends_without(given: str, kept: str) -> None:
    assert ServerConfig(root_path=given).root_path == kept


def test_unknown_options_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="prot"):
        ServerConfig.from_options(prot=1)


def test_listening_to_everybody_without_a_key_is_warned_about() -> None:
    assert "every interface" in (address_warning(ServerConfig()) or "")
    assert "10.0.0.1" in (address_warning(ServerConfig(host="10.0.0.1")) or "")
    for quiet in (
        {"host": "127.0.0.1"}, {"host": "localhost"}, {"host": "::1"}, {"api_keys": ["k"]}, {"uds": "/tmp/s"}
    ):  # fmt: skip
        assert address_warning(ServerConfig(**quiet)) is None
