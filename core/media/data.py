"""`data:` addresses, which hold their bytes themselves."""

from __future__ import annotations

import binascii

from cenote.errors import InvalidRequest
from cenote.media.base import MediaPolicy

__all__ = ["DATA", "DataLoader"]


class DataLoader:
    """Decodes `data:[type];base64,...`; the type is ignored, since what counts is what the bytes are.

    Source: RFC 2397; strictly, so that blanks, missing padding and other alphabets are refused.
    """

    def load(self, url: str, policy: MediaPolicy) -> bytes:
        """Return the decoded bytes.

        Raises:
            InvalidRequest: it is not base64, or has more bytes than allowed.
        """
        head, comma, body = url.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise InvalidRequest("A data: address has the form 'data:image/png;base64,...'.")
        if len(body) // 4 * 3 - 2 > policy.max_bytes:
            raise InvalidRequest(f"The data: address has more than the {policy.max_bytes} bytes that are allowed.")
        try:
            return binascii.a2b_base64(body.encode("ascii"), strict_mode=True)
        except ValueError as exc:  # binascii.Error, and UnicodeEncodeError of other letters
            raise InvalidRequest("The data: address is not valid base64 (with padding, without line breaks).") from exc


#: The loader of `data:` addresses.
DATA = DataLoader()
