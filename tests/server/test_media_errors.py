"""What errors of fetching media are on the wire, in every dialect."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cenote.config.server import ServerConfig
from cenote.errors import CenoteError, MediaFetchError, MediaUnavailable
from cenote.outputs import RequestError
from cenote.server.cohere_reply import cohere_envelope
from cenote.server.envelopes import Envelope, ErrorWriter
from cenote.server.errors import to_api_error
from cenote.server.item_errors import item_error
from cenote.server.tei_errors import tei_envelope
from cenote.server.voyage import detail_envelope

GONE = MediaFetchError("'a.example' answered with status 404.", param="image_url")
LATER = MediaUnavailable("'a.example' answered with status 503.", param="image_url")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [(GONE, 422, "UnprocessableEntityError"), (LATER, 500, "InternalServerError")],
)
@pytest.mark.parametrize("form", ["nested", "flat"])
def test_native_routes_name_the_field_and_the_reason(error: CenoteError, status: int, kind: str, form: Any) -> None:
    answer = ErrorWriter(ServerConfig(error_format=form)).response(to_api_error(error))
    body = orjson.loads(answer.body)
    said = body["error"] if form == "nested" else {key: value for key, value in body.items() if key != "object"}
    assert answer.status_code == status
    assert said == {"message": str(error), "type": kind, "param": "image_url", "code": status}


@pytest.mark.parametrize(
    ("envelope", "error", "status"),
    [
        (tei_envelope, GONE, 422),
        (tei_envelope, LATER, 424),
        (cohere_envelope, GONE, 422),
        (cohere_envelope, LATER, 500),
        (detail_envelope, GONE, 422),
        (detail_envelope, LATER, 500),
    ],
)
def test_other_dialects_tell_the_reason_in_their_form(envelope: Envelope, error: CenoteError, status: int) -> None:
    found, body = envelope(to_api_error(error))
    assert found == status
    assert str(error) in orjson.dumps(body).decode()


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [(GONE, 422, "UnprocessableEntityError"), (LATER, 500, "InternalServerError")],
)
def test_errors_of_single_items_are_the_same(error: CenoteError, status: int, kind: str) -> None:
    item = RequestError(code=status, message=str(error), param="image_url", kind=type(error))
    assert item_error(item) == {"message": str(error), "type": kind, "param": "image_url", "code": status}
