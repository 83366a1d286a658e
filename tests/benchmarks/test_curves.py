"""Curves: libraries take turns, and every point is measured on its own texts."""

from __future__ import annotations

import json

import pytest
from harness.arena import Arena
from harness.curves import Place, curves
from harness.peers import Peer

_ECHO = Peer("echo", "Echo", "echo", "", (), {"embed": ("float32", "bfloat16")}, batches=(2, 4))
_ALONE = Peer("alone", "Alone", "echo", "", (), {"embed": ("float32",)}, batches=(0,))


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Return what workers were asked for: setting or peer, texts and batch size."""
    found = []
    with Arena(tmp_path, 1, [_ECHO, _ALONE]).open() as arena:
        loads = [(_ECHO, "float32"), (_ECHO, "bfloat16"), (_ALONE, "float32")]
        entries = [arena._load(peer, "embed", tmp_path, setting, 8) for peer, setting in loads]
        names = {(entry.worker, entry.handle): f"{entry.peer.name}, {entry.setting}" for entry in entries}
        run = type(entries[0].worker).run

        def noted(worker, handle, inputs, batch, **options):
            found.append((names[worker, handle], len(json.loads(inputs.read_text())), batch))
            return run(worker, handle, inputs, batch, **options)

        monkeypatch.setattr(type(entries[0].worker), "run", noted)
        places = [Place.of(arena, "count", count, ["x" * count] * count, (2, 4)) for count in (3, 5)]
        yield found, curves(entries, places, tmp_path / "result.npy")


def test_every_point_is_measured_on_its_texts_at_every_size(asked):
    calls, (found, results) = asked
    assert set(found) == {"echo, float32", "echo, bfloat16", "alone, float32"}
    assert all(set(curve) == {3, 5} and min(curve.values()) > 0 for curve in found.values())
    assert {place: {array.tolist()[-1][0] for array in each} for place, each in results.items()} == {3: {3}, 5: {5}}
    sizes = {(name, texts, batch) for name, texts, batch in calls if name == "echo, float32"}
    assert sizes == {("echo, float32", texts, batch) for texts in (3, 5) for batch in (2, 4)}
    assert {batch for name, _, batch in calls if name == "alone, float32"} == {0}


def test_libraries_take_turns_with_whole_curves(asked):
    calls, _ = asked
    turns = [name for place, (name, *_) in enumerate(calls) if place == 0 or calls[place - 1][0] != name]
    assert turns == ["echo, float32", "echo, bfloat16", "alone, float32"] * 3
