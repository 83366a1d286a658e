"""What an operator may say of media, and how hosts are spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.config import EngineConfig
from cenote.config.media_hosts import parse_allowed
from cenote.errors import InvalidRequest


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        (None, ()),
        ([], ()),
        ("", ()),
        ("a.example, B.EXAMPLE.", ("a.example", "b.example")),
        (["*.Bücher.example", "a.example:8080"], ("*.xn--bcher-kva.example", "a.example:8080")),
        (("127.0.0.1", "[::1]:80", "2001:DB8::1"), ("127.0.0.1", "[::1]:80", "[2001:db8::1]")),
        (("a.example", "A.example"), ("a.example",)),
        ("localhost", ("localhost",)),
    ],
)
def test_hosts_get_one_spelling(given: object, spelled: tuple[str, ...]) -> None:
    assert EngineConfig(allowed_media_domains=given).allowed_media_domains == spelled


@pytest.mark.parametrize(
    "entry",
    [
        *("*", "*.", "a.*.example", "https://a.example", "a.example/", "a@b.example", "a.example:0", "a.example:x"),
        *("a.example:99999", "127.1", "0x7f.1", "1.2.3.4.5", "fe80::1%eth0", "[a.example", "a b.example", "a..example"),
        *("-a.example", "a" * 64 + ".example", "10.0.0.0/8", "\u2488", "[a.example]"),
    ],
)
def test_what_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(InvalidRequest, match=r"allowed_media_domains: .* is not accepted") as refused:
        EngineConfig(allowed_media_domains=[entry])
    assert refused.value.param == "allowed_media_domains"


@pytest.mark.parametrize(
    ("entry", "covered", "not_covered"),
    [
        ("a.example", ("a.example", 443), ("a.example", 80)),
        ("a.example:80", ("a.example", 80), ("a.example", 443)),
        ("*.a.example", ("b.c.a.example", 443), ("a.example", 443)),
        ("*.a.example:81", ("b.a.example", 81), ("ba.example", 81)),
    ],
)
def test_an_entry_covers_a_host_at_its_port(entry: str, covered: tuple[str, int], not_covered: tuple[str, int]) -> None:
    allowed = parse_allowed(entry)
    assert str(allowed) == entry
    assert allowed.covers(*covered, 443)
    assert not allowed.covers(*not_covered, 443)


def test_the_folder_must_exist(tmp_path: Path) -> None:
    assert EngineConfig(allowed_local_media_path="").allowed_local_media_path is None
    with pytest.raises(InvalidRequest, match="is no folder"):
        EngineConfig(allowed_local_media_path=str(tmp_path / "missing"))


@pytest.mark.parametrize("option", [{"max_media_bytes": 0}, {"media_timeout": 0}, {"media_timeout": float("inf")}])
def test_limits_are_limits(option: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        EngineConfig(**option)
