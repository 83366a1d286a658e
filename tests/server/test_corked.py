"""What is written within one turn of the event loop leaves together and in order."""

from __future__ import annotations

import asyncio
from typing import cast

from cenote.server.corked import Corked


class _Recorder:
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def write_eof(self) -> None:
        self.told.append("eof")

    def close(self) -> None:
        self.told.append("close")

    def is_closing(self) -> bool:
        return "close" in self.told


def _written(*chunks: bytes, end: str = "") -> list[bytes | str]:
    recorder = _Recorder()

    async def main() -> None:
        corked = Corked(cast("asyncio.Transport", recorder), asyncio.get_running_loop())
        for chunk in chunks:
            corked.write(chunk)
        if end:
            getattr(corked, end)()
            assert corked.is_closing() is (end == "close")
        else:
            await asyncio.sleep(0)

    asyncio.run(main())
    return recorder.told


def test_head_and_body_are_one_write() -> None:
    assert _written(b"head", b"", b"body") == [b"headbody"]


def test_a_large_body_is_not_copied_and_stays_behind_its_head() -> None:
    large = bytes(1 << 16)
    assert _written(b"head", large, b"end") == [b"head", large, b"end"]


def test_nothing_is_lost_at_the_end() -> None:
    assert _written(b"a", b"b", end="close") == [b"ab", "close"]
    assert _written(b"a", end="write_eof") == [b"a", "eof"]


def test_many_small_parts_of_one_turn_leave_before_they_take_much_memory() -> None:
    assert _written(*[bytes(1000)] * 70) == [bytes(66_000), bytes(4_000)]


def test_a_buffer_that_its_owner_fills_anew_is_sent_as_it_was() -> None:
    recorder, buffer = _Recorder(), bytearray(b"one")

    async def main() -> None:
        corked = Corked(cast("asyncio.Transport", recorder), asyncio.get_running_loop())
        corked.write(buffer)
        buffer[:] = b"two"
        corked.close()

    asyncio.run(main())
    assert recorder.told == [b"one", "close"]
