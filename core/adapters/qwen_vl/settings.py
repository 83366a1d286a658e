"""Read what the files of a checkpoint say of its image or video processor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cenote.checkpoints import Checkpoint
from cenote.checkpoints.files import read_object
from cenote.errors import CheckpointError

__all__ = ["Settings", "read_settings", "size_limits"]

#: Where the settings of each kind stand: nested in one file, which transformers prefers, or in a file of their own.
_NESTED = "processor_config.json"
_FILES = {
    "image": ("image_processor", "preprocessor_config.json"),
    "video": ("video_processor", "video_preprocessor_config.json"),
}
#: Classes of transformers that follow the rules here, by the beginning of their names.
_KNOWN = {
    "image": ("Qwen2VLImageProcessor", "Qwen3VLImageProcessor"),
    "video": ("Qwen3VLVideoProcessor",),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a processor, and who says so.

    Attributes:
        values: as stored.
        vision: `vision_config` of the model, which must not contradict them.
        source: name of the file, for messages.
    """

    values: Mapping[str, Any]
    vision: Mapping[str, Any]
    source: str

    def whole(self, name: str, in_config: str = "") -> int:
        """Return a size that the model's config has as well.

        Raises:
            CheckpointError: neither has it, they differ, or it is no whole number from 1 up.
        """
        other = self.vision.get(in_config or name)
        value = self.values.get(name, other)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CheckpointError(f"{self.source}: {name!r} must be a whole number from 1 up, found {value!r}.")
        if other is not None and other != value:
            text = f"{self.source} has {name} = {value}, and vision_config of config.json has {in_config or name}"
            raise CheckpointError(f"{text} = {other}. One of the files belongs to another model.")
        return value

    def channels(self, name: str) -> tuple[float, ...]:
        """Return one number for each of red, green and blue.

        Raises:
            CheckpointError: they are missing, or something else.
        """
        value = self.values.get(name)
        numbers: list[Any] = list(value) if isinstance(value, list | tuple) else [value] * 3
        if name == "image_std" and 0 in numbers:
            raise CheckpointError(f"{self.source}: {name!r} has a 0, found {value!r}; values are divided by it.")
        if len(numbers) != 3 or not all(isinstance(number, int | float) for number in numbers):
            text = f"{self.source}: {name!r} must be three numbers, found {value!r}. The defaults of transformers'"
            raise CheckpointError(f"{text} class are those of another model. Get the file from where the model is.")
        return tuple(float(number) for number in numbers)

    def expect(self, name: str, value: object) -> None:
        """Check a setting that only one value is known of.

        A stored null is another value: transformers leaves the step out, as for false.

        Raises:
            CheckpointError: it has another one.
        """
        found = self.values.get(name, value)
        if found != value:
            raise CheckpointError(f"{self.source} has {name} = {found!r}; cenote prepares images with {value!r} only.")


def read_settings(checkpoint: Checkpoint, kind: Literal["image", "video"]) -> Settings:
    """Return what a checkpoint says of its image or video processor.

    Raises:
        CheckpointError: it says nothing, or names a processor of another kind.

    Source: `get_image_processor_dict` of transformers 5.23 for the order of the files.
    """
    nested, file = _FILES[kind]
    values, source = None, file
    if checkpoint.has_file(_NESTED):
        values = read_object(checkpoint.path / _NESTED).get(nested)
        source = _NESTED if isinstance(values, dict) else file
    if not isinstance(values, dict) and checkpoint.has_file(file):
        values = read_object(checkpoint.path / file)
    if not isinstance(values, dict):
        raise CheckpointError(
            f"{checkpoint.name!r} has neither {file} nor {nested!r} in {_NESTED}. Sizes and scales of {kind}s are not "
            "known without it; the defaults of transformers' class are those of another model. Get the file from "
            "where the model is."
        )
    name = values.get(f"{kind}_processor_type")
    if name is not None and not str(name).startswith(_KNOWN[kind]):
        text = f"{source} of {checkpoint.name!r} names the {kind} processor {name!r}; known are those of Qwen-VL"
        raise CheckpointError(f"{text} ({_KNOWN[kind][0]}). Install a plugin for this model.")
    vision = checkpoint.config_value("vision_config")
    return Settings(values, vision if isinstance(vision, dict) else {}, source)


def size_limits(settings: Settings) -> tuple[int, int]:
    """Return the least and the largest area in pixels that files ask for, the older spelling first.

    Raises:
        CheckpointError: one is missing, or no whole number.

    Source: `Qwen2VLImageProcessorPil.__init__` of transformers 5.23.
    """
    size = settings.values.get("size")
    size = size if isinstance(size, dict) else {}
    found: list[int] = []
    for old, name in (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge")):
        value = settings.values.get(old)
        value = size.get(name) if value is None else value
        if isinstance(value, float) and value.is_integer():  # as some writers of JSON store whole numbers
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            text = f"{settings.source} has neither {old!r} nor a whole number {name!r} in 'size'"
            raise CheckpointError(f"{text}. The defaults of transformers' class are those of another model.")
        found.append(value)
    return found[0], found[1]
