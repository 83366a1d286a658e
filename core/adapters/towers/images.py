"""Prepare images of a fixed size on the host, with transformers' own processors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from cenote.adapters.towers.settings import processor_class, processor_settings
from cenote.checkpoints import Checkpoint
from cenote.errors import CheckpointError, InvalidRequest
from cenote.media import MediaCache, Picture

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = ["FixedImages", "PreparedPixels"]

_PARAM = "mm_processor_kwargs"
#: What `mm_processor_kwargs` may set: how images are cut and resized, not the scale of their values.
_OPTIONS = ("size", "crop_size", "resample", "do_center_crop")
_IDEFICS_OPTIONS = ("size", "resample", "max_image_size", "do_image_splitting")
#: Settings that say nothing about pixels.
_NO_PIXELS = frozenset(
    {
        "_valid_processor_keys",
        "auto_map",
        "feature_extractor_type",
        "image_processor_type",
        "processor_class",
    }
)
#: Settings of older files that some processors knew, with values that leave images as they are.
_NO_EFFECT: Mapping[str, Any] = {"use_square_size": False}
#: Longer side by the shorter one, where the shorter one gets a fixed size and the longer one grows with it.
_MOST_UNEVEN = 200
#: Sizes in pixels that show whether a processor gives one shape.
_TRIALS = ((40, 30), (30, 50))


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPixels:
    """An image as one or several tiles of one size.

    Attributes:
        pixels: [n, 3, height, width], not to be changed: uint8 as the image has them, which the tower rescales, or
            float32 as the tower reads them.
        rows: of tiles, where the processor says so (Idefics3; 0 for an image that is not cut).
        columns: of tiles.
    """

    pixels: np.ndarray[Any, np.dtype[Any]]
    rows: int = 0
    columns: int = 0

    @property
    def nbytes(self) -> int:
        """Return the bytes of memory that it holds."""
        return int(self.pixels.nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class FixedImages:
    """An image processor whose tiles all have one size; may be used from many threads.

    Pixels stay bytes until the tower runs: what transformers computes of a byte depends on the byte and its channel
    alone, so that a table of its results gives the same numbers to the bit, and caches hold a quarter.

    Attributes:
        kind: `clip`, `siglip` or `idefics3`.
        processor: of transformers, without torchvision.
        table: [3, 256] float32, what each byte becomes in each channel.
        tile: height and width of a tile.
        key: names all settings, for caches.
    """

    kind: str
    processor: Any
    table: np.ndarray[Any, np.dtype[np.float32]] = field(init=False)
    tile: tuple[int, int] = field(init=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _table(self.processor))
        object.__setattr__(self, "key", f"{self.kind} {sorted(self.processor.to_dict().items(), key=str)}")
        object.__setattr__(self, "tile", self._measured())

    @classmethod
    def of(cls, checkpoint: Checkpoint, kwargs: Mapping[str, Any] | None = None) -> Self:
        """Read the image processor of a checkpoint.

        Args:
            checkpoint: with `preprocessor_config.json`, or `processor_config.json` that holds an `image_processor`.
            kwargs: `mm_processor_kwargs` of the user, which have the last word.

        Raises:
            CheckpointError: the files are missing, for another kind of processor, or have settings that it does not
                know.
            InvalidRequest: `kwargs` has unknown names or impossible values.
        """
        kind, values, source = processor_settings(checkpoint)
        return cls.build(kind, values, source=source, kwargs=kwargs)

    @classmethod
    def build(
        cls, kind: str, values: Mapping[str, Any], *, source: str, kwargs: Mapping[str, Any] | None = None
    ) -> Self:
        """Make a processor of settings, for checkpoints that name a class of their own.

        Args:
            kind: `clip`, `siglip` or `idefics3`.
            values: settings as stored.
            source: where they are from, for messages.
            kwargs: as of `of`.

        Raises:
            CheckpointError: settings are unknown or impossible.
            InvalidRequest: `kwargs` has unknown names or impossible values.
        """
        made = _make(kind, values)
        unknown = sorted(set(values) - set(made._valid_kwargs_names) - _NO_PIXELS - _without_effect(values))
        if unknown:
            raise CheckpointError(f"{source} has {', '.join(unknown)}, which {type(made).__name__} does not know.")
        try:
            found = cls(kind, made)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise CheckpointError(f"{source} describes no images of one size: {exc}") from exc
        if not kwargs:
            return found
        options = _IDEFICS_OPTIONS if kind == "idefics3" else _OPTIONS
        wrong = sorted(set(kwargs) - set(options))
        if wrong:
            text = f"mm_processor_kwargs has {', '.join(map(repr, wrong))}; known are {', '.join(options)}."
            raise InvalidRequest(text, param=_PARAM)
        try:
            return cls(kind, _make(kind, {**values, **kwargs}))
        except (ValueError, TypeError, KeyError, AttributeError, CheckpointError) as exc:
            raise InvalidRequest(f"mm_processor_kwargs gives no images of one size: {exc}", param=_PARAM) from exc

    def check(self, picture: Picture) -> None:
        """Check the shape of an image, before it is decoded.

        Raises:
            InvalidRequest: it is so long and narrow that resizing it would take much memory.
        """
        grows = self.processor.do_resize and self.processor.size.shortest_edge
        if grows and max(picture.width, picture.height) > _MOST_UNEVEN * min(picture.width, picture.height):
            raise InvalidRequest(
                f"The image has {picture.width} x {picture.height} pixels; one side may be at most {_MOST_UNEVEN} "
                "times as long as the other. Cut it into parts."
            )

    def prepare(self, picture: Picture, cache: MediaCache | None = None) -> PreparedPixels:
        """Resize an image, or take it from a cache.

        Args:
            picture: what it shows.
            cache: where it may be already, and is kept afterwards.

        Raises:
            InvalidRequest: it is too long and narrow, or cannot be decoded.
        """
        self.check(picture)

        def make() -> PreparedPixels:
            with picture.decoded() as image:
                return self.of_image(image)

        return make() if cache is None else cache.get(f"towers {picture.digest} {self.key}", make)

    def of_image(self, image: Image.Image) -> PreparedPixels:
        """Prepare an image in RGB, in this thread and without a cache."""
        import numpy as np

        extra = {"return_row_col_info": True} if self.kind == "idefics3" else {}
        made = self.processor.preprocess(image, do_rescale=False, do_normalize=False, return_tensors=None, **extra)
        found = made["pixel_values"]
        pixels = np.ascontiguousarray(found[0] if extra else found)
        if pixels.dtype != np.uint8 or pixels.ndim != 4:
            raise ValueError(f"it becomes {pixels.dtype} of shape {list(pixels.shape)}")
        pixels.setflags(write=False)
        return PreparedPixels(pixels, *((made["rows"][0][0], made["cols"][0][0]) if extra else ()))

    def _measured(self) -> tuple[int, int]:
        """Return the size of all tiles.

        Raises:
            ValueError: tiles of unlike images have unlike sizes.
        """
        from PIL import Image

        height, width = self.of_image(Image.new("RGB", _TRIALS[0])).pixels.shape[2:]
        for size in _TRIALS[1:]:
            other = self.of_image(Image.new("RGB", size)).pixels.shape[2:]
            if other != (height, width):
                raise ValueError(f"images become {height} x {width} and {other[0]} x {other[1]} pixels")
        return height, width


def _without_effect(values: Mapping[str, Any]) -> set[str]:
    """Return names of settings that change nothing: those that are null, and known ones that say so.

    Source: transformers 4 made CLIP's images square only where `use_square_size` was true, for Kosmos-2.
    """
    return {
        name for name, value in values.items() if value is None or (name in _NO_EFFECT and value is _NO_EFFECT[name])
    }


def _make(kind: str, values: Mapping[str, Any]) -> Any:
    """Return a processor with settings.

    Raises:
        CheckpointError: it does not take them.
    """
    from PIL.Image import Resampling

    try:
        made = processor_class(kind)(
            **{key: value for key, value in values.items() if key not in _NO_PIXELS | set(_NO_EFFECT)}
        )
        Resampling(made.resample)  # transformers takes what it does not know for bilinear
        return made
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise CheckpointError(f"{processor_class(kind).__name__} cannot be made of {dict(values)}: {exc}") from exc


def _table(processor: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return what transformers makes of each byte in each channel, [3, 256] float32."""
    import numpy as np

    values = np.tile(np.arange(256, dtype=np.uint8), (3, 1))[:, None]
    if processor.do_rescale:
        values = processor.rescale(values, processor.rescale_factor)
    if processor.do_normalize:
        values = processor.normalize(values, processor.image_mean, processor.image_std)
    return values[:, 0].astype(np.float32)
