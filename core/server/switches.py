"""What an operator allows in bodies beyond the default, as validators of body models see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from pydantic import ValidationInfo

from cenote.config.server import ServerConfig

__all__ = ["Switches", "switches_of"]


@dataclass(slots=True)
class Switches:
    """The switches of one request; pydantic passes them on as the context of a validation.

    Attributes:
        trust_chat_template: a body may bring a chat template.
        accept_deprecated: removed fields count as what replaced them.
        deprecated: removed fields that the body used.
    """

    trust_chat_template: bool = False
    accept_deprecated: bool = False
    deprecated: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, config: ServerConfig) -> Self:
        """Return what these options allow."""
        return cls(config.trust_request_chat_template, config.accept_deprecated_fields)


def switches_of(info: ValidationInfo) -> Switches:
    """Return the switches of a validation; one without any allows nothing."""
    return info.context if isinstance(info.context, Switches) else Switches()
