"""Messages between the host and its processes: whole, in time, and no larger than expected."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from cenote_pdf_pages.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def message(head: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">QQ", len(head), len(body)) + head + body


def test_messages_arrive_as_they_were_sent(ends: tuple[Channel, socket.socket]) -> None:
    ours, theirs = ends[0], Channel(ends[1])
    ours.send({"do": "open", "password": "\u00e9"}, b"bytes", time.monotonic() + 60)
    ours.send({})
    assert theirs.receive(5) == ({"do": "open", "password": "\u00e9"}, b"bytes")
    assert theirs.receive() == ({}, b"")
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive()


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (message(b"{}", b"four"), "larger than any that is expected"),
        (struct.pack(">QQ", 2**63, 0), "larger than any that is expected"),
        (struct.pack(">QQ", 2, 2**63), "larger than any that is expected"),
        (message(json.dumps({"a": "b" * 70_000}).encode()), "larger than any that is expected"),
        (message(b"{"), "not JSON"),
        (message(b"\xff"), "not JSON"),
        (message(b"[" * 60_000), "not JSON"),
        (message(b"[]"), "no object"),
    ],
    ids=["bytes", "long JSON claimed", "bytes claimed", "long JSON", "cut JSON", "no text", "deep JSON", "a list"],
)
def test_other_messages_are_refused(ends: tuple[Channel, socket.socket], sent: bytes, fault: str) -> None:
    ends[1].sendall(sent)
    with pytest.raises(OSError, match=fault):
        ends[0].receive(3, time.monotonic() + 60)


@pytest.mark.parametrize("part", [b"", b"\0", message(b"{}", b"abc")[:-1]], ids=["nothing", "a byte", "all but a byte"])
def test_a_message_must_be_whole_in_time(ends: tuple[Channel, socket.socket], part: bytes) -> None:
    ends[1].sendall(part)
    with pytest.raises(TimeoutError):
        ends[0].receive(3, time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        ends[0].receive(3, time.monotonic() - 1)


def test_sending_to_one_who_does_not_listen_is_given_up(ends: tuple[Channel, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        ends[0].send({}, bytes(64 * 1024**2), time.monotonic() + 0.05)
