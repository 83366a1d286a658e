"""`file:` addresses, below the folder that the operator allows."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from cenote.errors import InvalidRequest
from cenote.media.base import MediaPolicy

__all__ = ["FILE", "FileLoader"]

_FORM = "A file: address has the form 'file:///folder/name.png', without '?' and '#'."


class FileLoader:
    """Reads regular files; links are followed as long as they stay below the folder.

    A hard link is the file itself: one below the folder is read wherever its other names are.
    """

    def load(self, url: str, policy: MediaPolicy) -> bytes:
        """Return the content of a file.

        Raises:
            InvalidRequest: it is not below the allowed folder, no regular file, too large, or not readable. Outside of
                the folder, nothing tells whether a file exists.
        """
        if policy.allowed_path is None:
            text = "No file: address is read here: the operator allows none (--allowed-local-media-path)."
            raise InvalidRequest(text)
        root = os.path.realpath(os.fsencode(policy.allowed_path))
        names = _resolve(root, _named(_path(url), (os.path.abspath(os.fsencode(policy.allowed_path)), root)))
        try:
            handle = _open(root, names)
        except OSError as exc:
            raise InvalidRequest("The file: address names no file that can be read.") from exc
        try:
            return _read(handle, policy.max_bytes)
        finally:
            os.close(handle)


def _path(url: str) -> bytes:
    rest = url[len("file:") :]
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if host.lower() not in ("", "localhost") or not slash:
            raise InvalidRequest("A file: address names no host but 'localhost': " + _FORM)
        rest = slash + rest
    try:
        path = unquote_to_bytes(rest)
    except UnicodeEncodeError as exc:
        raise InvalidRequest(_FORM) from exc
    if not path.startswith(b"/") or path.startswith(b"//") or b"\0" in path or {"?", "#"} & set(rest):
        raise InvalidRequest(_FORM)
    return path


def _named(path: bytes, folders: Sequence[bytes]) -> list[bytes]:
    """Return the names that lead from one of the folders to a path, as it is written.

    `..` takes the name before it away, as in every address (RFC 3986, 5.2.4). Nothing is looked up before this: links
    elsewhere, such as those of /proc, would tell by leading into the folder or not what there is.
    """
    written = os.path.normpath(path)
    for folder in folders:
        start = folder.rstrip(b"/") + b"/"
        if written.startswith(start) and written != start:
            return written[len(start) :].split(b"/")
    raise _outside()


def _resolve(root: bytes, names: Sequence[bytes]) -> list[bytes]:
    """Return the names that lead to a file from the folder, without links; none on the way may lead out of it."""
    start, reached = root.rstrip(b"/") + b"/", root
    for name in names:
        reached = os.path.realpath(os.path.join(reached, name))
        if reached != root and not reached.startswith(start):
            raise _outside()
    if reached == root:
        raise _outside()
    return reached[len(start) :].split(b"/")


def _outside() -> InvalidRequest:
    return InvalidRequest("The file: address is not below the folder that the operator allows.")


def _open(root: bytes, parts: list[bytes]) -> int:
    """Open a file name by name. A link that was put in the way since the path was resolved is not followed.

    Opening does not wait for the other end of a FIFO, which is no regular file and refused afterwards.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    handle = os.open(root, flags | os.O_DIRECTORY)
    for place, name in enumerate(parts):
        is_last = place == len(parts) - 1
        try:
            deeper = os.open(name, flags if is_last else flags | os.O_DIRECTORY, dir_fd=handle)
        finally:
            os.close(handle)
        handle = deeper
    return handle


def _read(handle: int, most: int) -> bytes:
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise InvalidRequest("The file: address names something else than a regular file.")
    # The stated size is not relied on: a file may grow, and those of /proc state none.
    if facts.st_size <= most:
        with open(handle, "rb", closefd=False) as file:
            data = file.read(most + 1)
        if len(data) <= most:
            return data
    raise InvalidRequest(f"The file has more than the {most} bytes that are allowed.")


#: The loader of `file:` addresses.
FILE = FileLoader()
