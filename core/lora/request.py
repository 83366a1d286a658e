"""A low-rank adapter that a call asks for."""

from __future__ import annotations

from dataclasses import dataclass

from cenote.errors import InvalidRequest, WrongType

__all__ = ["LoRARequest"]


@dataclass(frozen=True, slots=True)
class LoRARequest:
    """One adapter, by name, and where its files are if it is not loaded yet.

    Attributes:
        lora_name: name under which it is loaded, unique within an engine.
        lora_int_id: accepted for compatibility, unused; names are unique already.
        lora_path: folder in peft's format; "" names an adapter that is loaded already.
    """

    lora_name: str
    lora_int_id: int = 1
    lora_path: str = ""

    def __post_init__(self) -> None:
        for name in ("lora_name", "lora_path"):
            if not isinstance(getattr(self, name), str):
                raise WrongType(f"{name} must be a string, not {getattr(self, name)!r:.80}.", param="lora_request")
        if type(self.lora_int_id) is not int:
            raise WrongType(f"lora_int_id must be a whole number, not {self.lora_int_id!r:.80}.", param="lora_request")
        if not self.lora_name:
            raise InvalidRequest("A LoRARequest needs a lora_name.", param="lora_request")
        if self.lora_int_id < 1:
            raise InvalidRequest(f"lora_int_id must be at least 1, not {self.lora_int_id}.", param="lora_request")
