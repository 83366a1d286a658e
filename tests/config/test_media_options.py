"""What an operator may say of media, and how hosts are spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.config import EngineConfig
from cenote.config.media_hosts import parse_allowed
from cenote.config.media_limits import media_limit
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


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        (None, {}),
        ("", {}),
        ({}, {}),
        ({"image": 4}, {"image": 4}),
        ('{"image": 4, "video": 0}', {"image": 4, "video": 0}),
        ({"image": {"count": 2, "width": 640, "height": 480}, "audio": 0}, {"image": 2, "audio": 0}),
        ({"video": {"num_frames": 16}}, {"video": 999}),
        ("image=4", {"image": 4}),
        ("image=0, video=1", {"image": 0, "video": 1}),
    ],
)
def test_limits_of_media_have_several_forms(given: object, limits: dict[str, int]) -> None:
    assert EngineConfig(limit_mm_per_prompt=given).limit_mm_per_prompt == limits


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (4, "takes {"),
        ("[4]", "names '[4]'; known kinds: image, video, audio."),
        ("{image: 4}", "is no valid JSON"),
        ("image", "must be a whole number from 0, not ''"),
        ("image=few", "must be a whole number from 0, not 'few'"),
        ({"images": 4}, "names 'images'; known kinds: image, video, audio."),
        ({7: 4}, "names 7; known kinds"),
        ({"image": -1}, "must be a whole number from 0, not -1"),
        ({"image": True}, "must be a whole number from 0, not True"),
        ({"image": 1.5}, "must be a whole number from 0, not 1.5"),
        ({"image": None}, "must be a whole number from 0, not None"),
        ({"image": {"count": "4"}}, "must be a whole number from 0, not '4'"),
        ({"image": {"most": 4}}, "'image' has 'most'; it takes 'count'"),
    ],
)
def test_limits_of_media_that_are_none_are_refused(given: object, says: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^limit_mm_per_prompt") as refused:
        EngineConfig(limit_mm_per_prompt=given)
    assert says in str(refused.value)
    assert refused.value.param == "limit_mm_per_prompt"


def test_a_kind_that_is_not_limited_may_have_999() -> None:
    limits = EngineConfig(limit_mm_per_prompt={"image": 0}).limit_mm_per_prompt
    assert [media_limit(limits, kind) for kind in ("image", "video")] == [0, 999]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_image_pixels", 0),
        ("max_image_pixels", "many"),
        ("max_image_pixels", 178_956_971),
        ("media_workers", 0),
        ("mm_processor_cache_gb", -1),
        ("mm_processor_cache_gb", float("nan")),
        ("mm_processor_kwargs", [1]),
        ("enable_mm_embeds", "perhaps"),
    ],
)
def test_wrong_values_name_the_option(option: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        EngineConfig(**{option: value})
    assert str(refused.value).startswith(option)


def test_options_of_media_have_defaults_that_are_safe() -> None:
    config = EngineConfig(mm_processor_kwargs=None, mm_processor_cache_type="lru", skip_mm_profiling=True)
    assert config.mm_processor_kwargs == {}
    assert config.max_image_pixels == 178_956_970
    assert not config.enable_mm_embeds
    with pytest.raises(InvalidRequest, match="mm_processor_cache_type='shm' is not offered"):
        EngineConfig(mm_processor_cache_type="shm")
