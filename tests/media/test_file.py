"""file: regular files below the allowed folder, whatever is put in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cenote.errors import InvalidRequest
from cenote.media import MediaPolicy
from cenote.media import load_media as load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "allowed"
    (inside / "deep").mkdir(parents=True)
    (inside / "page one.png").write_bytes(b"page")
    (inside / "deep" / "é.png").write_bytes(b"deep page")
    (inside / "empty").touch()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed-not" / "secret").write_bytes(b"secret")
    return inside


@pytest.fixture
def policy(folder: Path) -> MediaPolicy:
    return MediaPolicy(allowed_path=str(folder), max_bytes=100)


def refusal(url: str, policy: MediaPolicy) -> str:
    with pytest.raises(InvalidRequest) as refused:
        load(url, policy)
    assert "/" not in str(refused.value).replace("file:///folder/name.png", "")
    assert refused.value.param == "data"
    return str(refused.value)


def test_files_below_the_folder_are_read(folder: Path, policy: MediaPolicy) -> None:
    assert load(f"file://{folder}/page%20one.png", policy) == b"page"
    assert load(f"FILE://localhost{folder}/deep/%C3%A9.png", policy) == b"deep page"
    assert load(f"file:{folder}/deep/../page one.png", policy) == b"page"


def test_links_are_followed_as_long_as_they_stay_below_the_folder(folder: Path, policy: MediaPolicy) -> None:
    (folder / "link.png").symlink_to("page one.png")
    (folder / "deep" / "up").symlink_to(folder, target_is_directory=True)
    assert load(f"file://{folder}/link.png", policy) == b"page"
    assert load(f"file://{folder}/deep/up/link.png", policy) == b"page"


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "also").symlink_to(folder, target_is_directory=True)
    policy = MediaPolicy(allowed_path=str(tmp_path / "also"))
    for name in ("also", "allowed"):
        assert load(f"file://{tmp_path}/{name}/deep/%C3%A9.png", policy) == b"deep page"


def test_no_file_is_read_unless_a_folder_is_allowed(folder: Path) -> None:
    text = refusal(f"file://{folder}/deep/x.png", MediaPolicy())
    assert text == "No file: address is read here: the operator allows none (--allowed-local-media-path)."


def test_outside_of_the_folder_nothing_tells_whether_a_file_exists(
    folder: Path, tmp_path: Path, policy: MediaPolicy
) -> None:
    (folder / "out").symlink_to(tmp_path, target_is_directory=True)
    (folder / "file").symlink_to(tmp_path / "secret")
    (folder / "nothing").symlink_to(tmp_path / "nothing")
    (folder / "zero").symlink_to("/dev/zero")
    urls = [
        *(f"file://{tmp_path}/{name}" for name in ("secret", "nothing", "allowed-not/secret", "allowed")),
        *(f"file://{folder}/{name}" for name in ("../secret", "%2e%2e/secret", "deep/../../secret", "..%2fsecret")),
        *(f"file://{folder}/{name}" for name in ("out/secret", "out/nothing", "file", "nothing", "zero")),
        "file:///etc/passwd",
        "file:///dev/zero",
        "file:///",
    ]
    assert {refusal(url, policy) for url in urls} == {
        "The file: address is not below the folder that the operator allows."
    }


def test_links_outside_of_the_folder_are_not_looked_up(folder: Path, tmp_path: Path, policy: MediaPolicy) -> None:
    """That a link leads back into the folder would tell that it exists, and where the folder lies."""
    (tmp_path / "back").symlink_to(folder, target_is_directory=True)
    (folder / "out").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "other").mkdir()
    urls = [
        f"file://{tmp_path}/back/page%20one.png",
        f"file://{tmp_path}/back/../{folder.name}/deep/../../back/page%20one.png",
        f"file:///proc/self/root{folder}/page%20one.png",
        f"file://{folder}/out/back/page%20one.png",
        f"file://{folder}/out/{folder.name}/page%20one.png",
    ]
    assert {refusal(url, policy) for url in urls} == {
        "The file: address is not below the folder that the operator allows."
    }


def test_names_that_are_taken_back_are_not_looked_up(folder: Path, tmp_path: Path, policy: MediaPolicy) -> None:
    (folder / "out").symlink_to(tmp_path, target_is_directory=True)
    for name in ("out", "deep", "missing"):
        assert load(f"file://{folder}/{name}/../page%20one.png", policy) == b"page"
        assert load(f"file://{tmp_path}/{name}/../{folder.name}/page%20one.png", policy) == b"page"


def test_only_regular_files_are_read(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    for name in ("fifo", "deep"):
        text = refusal(f"file://{folder}/{name}", MediaPolicy(allowed_path=str(folder)))
        assert text == "The file: address names something else than a regular file."
    everything = MediaPolicy(allowed_path="/", max_bytes=100)
    assert "regular file" in refusal("file:///dev/zero", everything)


def test_size_is_checked_before_and_while_reading(folder: Path, policy: MediaPolicy) -> None:
    with open(folder / "sparse", "wb") as file:
        file.truncate(10**12)
    assert refusal(f"file://{folder}/sparse", policy) == "The file has more than the 100 bytes that are allowed."
    # The file states no size, and has more.
    assert "more than the 10 bytes" in refusal("file:///proc/meminfo", MediaPolicy(allowed_path="/", max_bytes=10))
    assert refusal(f"file://{folder}/empty", policy) == "The medium is empty."


def test_a_file_that_is_missing_or_not_readable_is_refused(folder: Path, policy: MediaPolicy) -> None:
    (folder / "round").symlink_to("round")
    for name in ("missing.png", "page%20one.png/x", "round", "a" * 300):
        assert refusal(f"file://{folder}/{name}", policy) == "The file: address names no file that can be read."


@pytest.mark.parametrize(
    "url", ["file://evil.example/a", "file:a.png", "file:", "file://", "file:////a", "file:///a%00b", "file:///a?b#c"]
)
def test_addresses_of_another_form_are_refused(url: str, policy: MediaPolicy) -> None:
    assert "has the form" in refusal(url, policy)


def test_a_link_that_appears_after_the_check_is_not_followed(folder: Path, tmp_path: Path) -> None:
    from cenote.media.file import _open

    (folder / "swapped").symlink_to(tmp_path, target_is_directory=True)
    for parts in ([b"swapped", b"secret"], [b"swapped"]):
        with pytest.raises(OSError, match=r"Too many levels|Not a directory"):
            _open(os.fsencode(folder), parts)
