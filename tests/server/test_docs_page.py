"""`/docs` works without a network, says nothing to strangers, and can be turned off."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

PATHS = ("/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/openapi.json")


def addresses(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page)


@pytest.mark.parametrize("prefix", ["", "/api/v9"])
def test_everything_that_the_page_loads_comes_from_this_server(start_server: Any, prefix: str) -> None:
    with start_server(root_path=prefix) as running:
        page = httpx.get(running.url + prefix + "/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        found = [address for address in addresses(page.text) if not address.startswith("data:")]
        assert len(found) == 3
        kinds = {"js": "text/javascript", "css": "text/css"}
        for address in [*found, "openapi.json"]:
            loaded = httpx.get(urljoin(f"{running.url}{prefix}/docs", address))
            assert loaded.status_code == 200
            assert loaded.headers["content-type"].partition(";")[0] == kinds.get(
                address.rpartition(".")[2], "application/json"
            )
            assert len(loaded.content) > 100


def test_the_page_may_load_nothing_from_elsewhere_and_be_framed_by_nobody(client: httpx.Client) -> None:
    for path in PATHS:
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "connect-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
    page, start = client.get("/docs").text, client.get("/docs/start.js").text
    assert "http" not in page + start
    assert "<script>" not in page
    assert "validatorUrl: null" in start


def test_the_bundled_page_understands_the_version_of_the_document(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
    script = client.get("/docs/swagger-ui-bundle.js").text
    assert "SwaggerUIBundle" in script
    assert "3.1" in script


def test_the_documentation_needs_the_key(start_server: Any) -> None:
    with start_server(api_keys="k") as running:
        for path in PATHS:
            assert httpx.get(running.url + path).status_code == 401
            assert httpx.get(running.url + path, headers={"Authorization": "Bearer k"}).status_code == 200


def test_the_documentation_can_be_turned_off_altogether(start_server: Any) -> None:
    with start_server(disable_fastapi_docs=True) as running:
        for path in (*PATHS, "/redoc", "/docs/oauth2-redirect"):
            assert httpx.get(running.url + path).status_code == 404


def test_no_other_file_is_served_beside_the_page(client: httpx.Client) -> None:
    for path in ("/docs/", "/docs/redoc.standalone.js", "/docs/../docs.py", "/docs/%2e%2e/__init__.py", "/redoc"):
        assert client.get(path).status_code == 404
