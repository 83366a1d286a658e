"""Output codecs: ways to give embeddings in other numbers than float32, such as 8-bit integers or sign bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from cenote.errors import CodecError, InvalidRequest, PluginConflict, PluginError
from cenote.registry import default_registry
from cenote.registry.blame import Blame
from cenote.registry.entry import BUILT_IN_DISTRIBUTION, canonical_name

if TYPE_CHECKING:
    import numpy as np

    Numbers: TypeAlias = np.ndarray[Any, Any]

__all__ = ["CODECS", "PLAIN", "Codec", "OutputCodec", "check_codec", "codec_names", "find_codec", "is_foreign"]

#: The precision that needs no codec, and that none can replace.
PLAIN = "float32"
#: Entry-point group of codecs.
CODECS = "cenote.output_codecs"
#: Bytes of a number that clients can read.
_SIZES = (1, 2, 4, 8)


class OutputCodec(Protocol):
    """Gives embeddings another precision. The name of its entry is what requests ask for, as in `output_dtype`.

    One object serves all requests, from several threads at once.
    """

    def encode(self, rows: Numbers, param: str) -> Numbers:
        """Return the same embeddings in other numbers.

        Args:
            rows: [n, d] float32, finite and read-only; cut and normalised as the request asks. Several requests' worth
                of rows may come in one call, and one request's in several: a row's result depends on that row alone.
            param: name of the request's field that asks, for errors.

        Returns:
            [n, k] integers, or finite floats, of 1, 2, 4 or 8 bytes. k depends on d alone.

        Raises:
            InvalidRequest: these embeddings do not fit, with `param=param`; the text goes to the client.
        """
        ...


def check_codec(value: Any) -> None:
    """Raise TypeError unless the value can be used as a codec."""
    if isinstance(value, type):
        raise TypeError(f"{value.__name__} is a class; an output codec is an object: {value.__name__}()")
    if not callable(getattr(value, "encode", None)):
        raise TypeError(f"an output codec has a method encode(rows, param); {type(value).__name__} has none")


def codec_names() -> tuple[str, ...]:
    """Return the precisions that requests may name: float32 and the installed codecs."""
    return (PLAIN, *(name for name in default_registry().names(CODECS) if name != PLAIN))


def is_foreign(name: str) -> bool:
    """Tell whether a precision comes from another distribution than cenote, so that nobody knows how long it takes."""
    if name == PLAIN:
        return False
    offers = default_registry().entries(CODECS).get(name, ())
    return any(canonical_name(entry.distribution) != BUILT_IN_DISTRIBUTION for entry in offers)


def find_codec(name: str, param: str = "output_dtype") -> Codec:
    """Return the codec of a precision.

    Raises:
        InvalidRequest: nothing installed has this name.
        CodecError: what has the name does not load, or two distributions have it.
    """
    registry = default_registry()
    offers = registry.entries(CODECS).get(name, ()) if isinstance(name, str) else ()
    if not offers or name == PLAIN:
        known = ", ".join(codec_names())
        raise InvalidRequest(f"{param} is {name!r:.80}; it must be one of {known}.", param=param)
    entry = offers[0]
    try:
        codec = registry.get(CODECS, name)  # which checks it by `check_codec`
    except PluginConflict as exc:
        raise CodecError(str(exc), plugin=name, distribution=entry.distribution) from exc
    except PluginError as exc:
        text = f"The output codec {name!r} of {entry.source} does not load. The log of this process has the reason."
        raise CodecError(text, plugin=name, distribution=entry.distribution) from exc
    return Codec(codec, Blame.of("output codec", entry, CodecError))


@dataclass(frozen=True, slots=True)
class Codec:
    """An installed codec, and whose it is.

    Attributes:
        codec: the codec itself.
        blame: what its errors name.
    """

    codec: OutputCodec
    blame: Blame

    def encode(self, values: Numbers, param: str) -> Numbers:
        """Encode [..., d] float32 as [..., k] numbers of the machine's byte order.

        Raises:
            InvalidRequest: the codec refuses the embeddings.
            CodecError: it fails, or returns what cannot be sent.
        """
        rows = values.reshape(-1, values.shape[-1]).view()
        rows.flags.writeable = False
        coded = self.blame.call(self.codec.encode, rows, param)
        checked = self._checked(coded, len(rows))
        return checked.reshape(*values.shape[:-1], checked.shape[1])

    def _checked(self, coded: Any, count: int) -> Numbers:
        import numpy as np

        if not isinstance(coded, np.ndarray):
            raise self.blame.wrong(f"returned {type(coded).__name__}, not a numpy array")
        if coded.ndim != 2 or len(coded) != count or not coded.shape[1]:
            raise self.blame.wrong(f"returned shape {coded.shape} for {count} embeddings, not [{count}, k]")
        kind = coded.dtype
        if kind.kind not in "iuf" or kind.itemsize not in _SIZES:
            raise self.blame.wrong(f"returned {kind.name} numbers, not integers or floats of at most 8 bytes")
        if kind.kind == "f" and not np.isfinite(coded).all():
            raise self.blame.wrong("returned NaN or infinity")
        numbers: Numbers = np.ascontiguousarray(coded, kind.newbyteorder("="))
        return numbers if numbers.flags.writeable else numbers.copy()
