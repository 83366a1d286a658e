"""`PixelBudget`: little is decoded at the same time, and nobody waits for ever."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from cenote.media import Picture, picture
from cenote.media.budget import PixelBudget


class Work:
    """Threads that hold pixels until they are told to go on."""

    def __init__(self, limit: int) -> None:
        self.budget = PixelBudget(limit)
        self.running: list[int] = []
        self.changed = threading.Condition()
        self.threads = ThreadPoolExecutor(8)
        self.leave: dict[int, threading.Event] = {}

    def start(self, pixels: int) -> None:
        self.leave[pixels] = threading.Event()
        self.threads.submit(self._run, pixels)

    def _run(self, pixels: int) -> None:
        with self.budget.hold(pixels):
            self._note(self.running.append, pixels)
            assert self.leave[pixels].wait(30)
            self._note(self.running.remove, pixels)

    def _note(self, change, pixels: int) -> None:
        with self.changed:
            change(pixels)
            self.changed.notify_all()

    def wait(self, *expected: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: sorted(self.running) == sorted(expected), 30)

    def end(self, *pixels: int) -> None:
        for item in pixels:
            self.leave[item].set()


@pytest.fixture
def work():
    made = Work(100)
    yield made
    made.end(*made.leave)
    made.threads.shutdown()


def test_what_fits_runs_together_and_the_rest_waits(work: Work) -> None:
    for pixels in (40, 60):
        work.start(pixels)
    work.wait(40, 60)
    work.start(30)
    work.end(60)
    work.wait(40, 30)


def test_a_large_image_runs_alone_and_is_not_passed_by_small_ones(work: Work) -> None:
    work.start(50)
    work.wait(50)
    work.start(500)
    while not work.budget._turn.locked():
        pass
    work.start(1)
    work.end(50)
    work.wait(500)
    work.end(500)
    work.wait(1)


def test_room_is_given_back_after_an_error() -> None:
    budget = PixelBudget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), budget.hold(8):
            raise ValueError("broken")


def test_pictures_are_decoded_within_the_budget_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    class Watched(PixelBudget):
        def hold(self, pixels: int):
            held.append(pixels)
            return super().hold(pixels)

    monkeypatch.setattr(picture, "_DECODING_SMALL", Watched(50))
    out = io.BytesIO()
    Image.new("RGB", (10, 6), "red").save(out, "PNG")
    pictures = [Picture.of_bytes(out.getvalue()) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        assert {image.getpixel((9, 5)) for image in threads.map(Picture.rgb, pictures)} == {(255, 0, 0)}
    assert held == [60] * 6


def test_small_pictures_do_not_wait_for_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_SMALL", 60)
    large = Picture.of_image(Image.new("L", (8200, 8200)))
    with ThreadPoolExecutor(2) as threads, large.decoded():
        waiting = threads.submit(Picture.of_image(Image.new("RGB", (10, 7))).rgb)
        assert threads.submit(Picture.of_image(Image.new("RGB", (10, 6))).rgb).result(30).size == (10, 6)
        assert not waiting.done()
