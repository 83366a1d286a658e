"""`load_media`: the loader of a scheme, and what every loader keeps to."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pytest

from cenote.config import EngineConfig
from cenote.errors import InvalidRequest, MediaFetchError, MediaUnavailable, PluginError, PluginFailure
from cenote.media import MediaPolicy, check_loader, load_media
from cenote.registry import Registry

NOTHING = MediaPolicy()


def refusal(url: str, policy: MediaPolicy = NOTHING, registry: Registry | None = None) -> str:
    with pytest.raises(InvalidRequest) as refused:
        load_media(url, policy, registry, param="image_url")
    assert refused.value.param == "image_url"
    return str(refused.value)


@pytest.mark.parametrize("head", ["data:;base64", "data:image/png;base64", "DATA:text/plain;charset=x;BASE64"])
def test_data_addresses_need_no_permission_and_their_type_is_ignored(head: str) -> None:
    assert load_media(f"{head},{base64.b64encode(bytes(range(256))).decode()}", NOTHING) == bytes(range(256))


@pytest.mark.parametrize(
    "body", ["a", "ab", "abc", "YQ", "YQ=", "Y Q==", "YQ==\n", "YQ==YQ==", "YQ--", "YQ%3D%3D", "=", "YQ==é", "Yé=="]
)
def test_base64_is_strict(body: str) -> None:
    assert refusal(f"data:;base64,{body}") == (
        "The data: address is not valid base64 (with padding, without line breaks)."
    )


@pytest.mark.parametrize("url", ["data:image/png,abc", "data:abc", "data:;base64", "data:"])
def test_data_that_is_not_base64_is_refused(url: str) -> None:
    assert refusal(url) == "A data: address has the form 'data:image/png;base64,...'."


@pytest.mark.parametrize("size", range(8))
def test_the_size_of_data_is_exact(size: int) -> None:
    url = "data:;base64," + base64.b64encode(b"x" * size).decode()
    for allowed in range(1, 10):
        policy = MediaPolicy(max_bytes=allowed)
        if 0 < size <= allowed:
            assert load_media(url, policy) == b"x" * size
        else:
            assert "empty" in refusal(url, policy) or "more than the" in refusal(url, policy)


def test_large_data_is_refused_before_it_is_decoded() -> None:
    text = refusal("data:;base64," + "!" * 10_000, MediaPolicy(max_bytes=100))
    assert text == "The data: address has more than the 100 bytes that are allowed."


@pytest.mark.parametrize("url", ["", "page.png", "/etc/passwd", "//host/x", "1data:x", "C" * 40 + ":x", " data:x"])
def test_what_has_no_scheme_is_no_address(url: str) -> None:
    assert refusal(url) == "An address of media begins with its scheme, such as 'data:' or 'https:'."


def test_unknown_schemes_name_the_known_ones() -> None:
    known = "known: data:, file:, http:, https:."
    assert refusal("s3://bucket/key") == f"Addresses of the scheme 's3:' are not loaded here; {known}"


class Bucket:
    """A loader of somebody else's."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def load(self, url: str, policy: MediaPolicy) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def registry_with(loader: object) -> Registry:
    registry = Registry((), environment={})
    registry.register("cenote.media_loaders", "s3", loader)
    return registry


def test_another_scheme_comes_through_the_same_door() -> None:
    registry = registry_with(Bucket(b"from the bucket"))
    assert load_media("S3://bucket/key", NOTHING, registry) == b"from the bucket"
    assert "known: s3:" in refusal("data:;base64,YQ==", NOTHING, registry)
    assert refusal("s3://bucket/key", MediaPolicy(max_bytes=3), registry) == (
        "The medium has more than the 3 bytes that the operator allows."
    )
    assert refusal("s3://b", NOTHING, registry_with(Bucket(b""))) == "The medium is empty."
    assert refusal("s3://b", NOTHING, registry_with(Bucket(InvalidRequest("no such key")))) == "no such key"


@pytest.mark.parametrize("kind", [MediaFetchError, MediaUnavailable])
def test_what_a_loader_cannot_fetch_names_the_field(kind: type[MediaFetchError | MediaUnavailable]) -> None:
    with pytest.raises(kind, match=r"^The bucket is closed\.$") as failed:
        load_media("s3://b", NOTHING, registry_with(Bucket(kind("The bucket is closed."))), param="image_url")
    assert failed.value.param == "image_url"


@pytest.mark.parametrize("loader", [Bucket(ValueError("token=123")), Bucket("text"), Bucket(None), object(), Bucket])
def test_a_broken_loader_is_the_servers_fault_and_tells_nothing(loader: object) -> None:
    with pytest.raises(PluginError) as failed:
        load_media("s3://bucket/key", NOTHING, registry_with(loader))
    assert "token" not in str(failed.value)
    assert "s3" in str(failed.value)


class Leaving:
    def load(self, url: str, policy: MediaPolicy) -> bytes:
        return sys.exit(3)


def test_a_loader_that_exits_is_named() -> None:
    registry = Registry((), environment={})
    registry.register("cenote.media_loaders", "s3", Leaving(), distribution="acme", version="1.2")
    with pytest.raises(PluginFailure, match=r"^The media loader 's3' of acme 1\.2 failed \(SystemExit\)\.$"):
        load_media("s3://bucket/key", NOTHING, registry)


def test_loaders_are_objects_with_a_method() -> None:
    check_loader(Bucket(b""))
    with pytest.raises(TypeError, match=r"is a class\. Name an instance"):
        check_loader(Bucket)
    with pytest.raises(TypeError, match="has a method load"):
        check_loader(42)


def test_a_policy_is_made_of_the_options_of_an_engine(tmp_path) -> None:
    assert MediaPolicy.of(EngineConfig()) == MediaPolicy()
    config = EngineConfig(
        allowed_media_domains=["Example.org", "*.example.org:8443, 10.0.0.7"],
        allowed_local_media_path=str(tmp_path),
        max_media_bytes="1M",
        media_timeout=2,
    )
    assert MediaPolicy.of(config) == MediaPolicy(
        allowed_domains=("example.org", "*.example.org:8443", "10.0.0.7"),
        allowed_path=str(tmp_path),
        max_bytes=1024**2,
        timeout=2.0,
    )
