"""Conformance tests of an output codec: subclass, name the codec, and pytest runs them all.

class TestMyCodec(OutputCodecConformance):
    codec = "int4"
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cenote.engine import LLM
from cenote.errors import CodecError
from cenote.outputs.codecs import Codec, OutputCodec, check_codec, find_codec
from cenote.registry.blame import Blame
from cenote.testing.capabilities import Capable, needs
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import sample_texts

__all__ = ["OutputCodecConformance"]


class OutputCodecConformance(Capable):
    """What every output codec must do.

    Attributes:
        codec: name of the entry point, or the object. Must be set.
        sizes: components of the embeddings that it is given.
    """

    codec: ClassVar[str | OutputCodec | None] = None
    sizes: ClassVar[Sequence[int]] = (8, 64, 384)

    @classmethod
    def capabilities(cls) -> frozenset[str]:
        """Return `installed` where a name is tested."""
        return frozenset({"installed"} if isinstance(cls.codec, str) else ())

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls) -> Codec:
        """The codec with the host's checks of what it returns."""
        if cls.codec is None:
            raise cls.missing("the attribute 'codec'")
        if isinstance(cls.codec, str):
            return find_codec(cls.codec)
        check_codec(cls.codec)
        return Codec(
            cls.codec, Blame("The output codec under test", "under-test", "in-process", CodecError, CodecError)
        )

    def test_each_embedding_becomes_one_row_of_numbers(self, encoder: Codec) -> None:
        for size in self.sizes:
            widths = {_encode(encoder, _rows(count, size)).shape[1] for count in (1, 2, 7)}
            assert len(widths) == 1, "the width of a row depends on the number of rows"

    def test_a_row_does_not_depend_on_the_others(self, encoder: Codec) -> None:
        for size in self.sizes:
            rows = _rows(7, size)
            alone = np.concatenate([_encode(encoder, row[None]) for row in rows])
            assert np.array_equal(_encode(encoder, rows), alone)
            assert np.array_equal(_encode(encoder, rows[::-1].copy())[::-1], alone)

    def test_zeros_and_ends_of_the_range_are_encoded(self, encoder: Codec) -> None:
        for size in self.sizes:
            ends = np.zeros((3, size), np.float32)
            ends[1, 0], ends[2, -1] = 1.0, -1.0
            assert len(_encode(encoder, ends)) == 3

    def test_threads_get_what_one_caller_gets(self, encoder: Codec) -> None:
        rows = _rows(5, self.sizes[0])
        expected = _encode(encoder, rows)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: _encode(encoder, rows), range(8)):
                assert np.array_equal(found, expected)

    @needs("installed")
    def test_requests_get_it_by_its_name(self, encoder: Codec, tmp_path: Path) -> None:
        texts = sample_texts()[:3]
        with LLM(str(build_checkpoint("bert", tmp_path))) as model:
            plain, coded = (
                model.encode(texts, pooling_task="embed", output_dtype=dtype, use_tqdm=False)
                for dtype in (None, encoder.blame.plugin)
            )
        rows = np.stack([output.outputs.data.numpy() for output in plain])
        found = np.stack([np.asarray(output.outputs.data) for output in coded])
        assert np.array_equal(found, _encode(encoder, rows))


def _rows(count: int, size: int) -> Any:
    """Return embeddings of length 1, the same on every call."""
    rows = np.random.default_rng(size).standard_normal((7, size)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True))[:count].copy()


def _encode(encoder: Codec, rows: Any) -> Any:
    """Encode; the codec gets rows that it cannot write to."""
    return encoder.encode(rows, "output_dtype")
