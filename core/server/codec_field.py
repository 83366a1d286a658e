"""Body fields that name an installed output codec: checked when a body is read, listed when the document is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from cenote.outputs.codecs import PLAIN, codec_names

__all__ = ["CodecName"]


@dataclass(frozen=True, slots=True)
class CodecName:
    """Marks a text as one of the field's own words or the name of an installed codec, as in `Annotated[str, ...]`.

    Attributes:
        words: what the field knows beside codecs, `float32` included where it is one of them.
    """

    words: tuple[str, ...] = (PLAIN,)

    def names(self) -> tuple[str, ...]:
        """Return everything that the field takes now."""
        return tuple(dict.fromkeys((*self.words, *(name for name in codec_names() if name != PLAIN))))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the text against what is installed."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """List what is installed."""
        return {"type": "string", "enum": list(self.names())}

    def _checked(self, value: str) -> str:
        if value not in self.words and value not in self.names():
            *most, last = map(repr, self.names())
            raise PydanticCustomError(
                "unknown_codec", "Input should be {names}", {"names": f"{', '.join(most)} or {last}"}
            )
        return value
